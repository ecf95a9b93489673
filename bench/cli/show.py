"""``show``: what a recorded trial did."""

import argparse
from pathlib import Path
from typing import Any

from registries import RequestError


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "show",
        help="what a recorded trial did",
        description="Row, settings, data, stages with their cost, mask, scores, provenance and files of a trial.",
    )
    parser.add_argument("records", nargs="+", metavar="RECORD", help="path of a record, or a folder of one or several")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    from bench.trials.show import description
    from records.record import FILE, Record

    paths: list[Path] = []
    for name in map(Path, chosen.records):
        found = [name] if name.is_file() else sorted(name.glob(f"**/{FILE}"))
        if not found:
            raise RequestError(f"{name}: is no record, and holds no {FILE}")
        paths += found
    for number, path in enumerate(paths):
        print("\n".join([*([""] if number else []), *description(Record.read(path), path)]))
    return 0
