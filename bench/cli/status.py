"""``status``: where a sweep stands, from another shell."""

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("status", help="where a sweep stands")
    parser.add_argument("track", metavar="TRACK", help="as it was swept")
    parser.add_argument("--out", default="results", metavar="DIR", help="of the sweep (default results)")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    from bench.sweep.status import lines, read_status

    out = Path(chosen.out)
    print("\n".join(lines(read_status(out, Path(chosen.track).stem), out)))
    return 0
