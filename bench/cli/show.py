"""``show``: what a recorded trial did."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registries import RequestError

if TYPE_CHECKING:
    from records.record import Record


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
    from records.archive import holds_archive, read_archive
    from records.elsewhere import FILE as EVALUATION
    from records.record import FILE, Record

    shown: list[tuple[Record, Path]] = []
    for name in map(Path, chosen.records):
        files = [name] if name.is_file() else sorted([*name.glob(f"**/{FILE}"), *name.glob(f"**/{EVALUATION}")])
        shown += [(Record.read(path), path) for path in files]
        if holds_archive(name):
            shown += [(record, name) for record in read_archive(name)]
        elif not files:
            raise RequestError(f"{name}: holds no {FILE}; give the path of a record, or a folder with records")
    for number, (record, path) in enumerate(shown):
        print("\n".join([*([""] if number else []), *description(record, path), *_verdict(record, path, len(shown))]))
    return 0


def _verdict(record: "Record", path: Path, shown: int) -> Iterator[str]:
    """What it came to; dense is looked for beside a single record alone, as every look reads its folder."""
    from leaderboards.rows.pair import dense_partner
    from leaderboards.rows.verdict import verdict

    if record.ok:
        yield verdict(record, dense_partner(path.parent.parent, record) if path.is_file() and shown == 1 else None)
