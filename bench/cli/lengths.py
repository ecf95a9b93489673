"""``lengths``: are the networks of a folder trained long enough?"""

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("lengths", help="dense networks by length of training: losses, scores, trained or not")
    parser.add_argument("folder", metavar="DIR", help="folder of records, or of a board")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Print a table for each setting."""
    from leaderboards.rows.lengths import lengths_of, table
    from leaderboards.rows.rows import read_records
    from records.setting import Setting, tables, title_of
    from registries import RequestError
    from registries.text import aligned

    records = [record for record in read_records(Path(chosen.folder)) if record.ok]
    groups = tables(records, whatever_is_set=True)
    found = sorted((title_of(own[0], Setting.of(own[0]).plain), lengths_of(own)) for own in groups)
    if not any(lengths for _, lengths in found):
        raise RequestError(f"{chosen.folder}: holds no dense network that was scored on validation patients")
    for title, lengths in found:
        if lengths:
            print(f"{title}; PSNR in dB, means over seeds")
            print("\n".join(aligned(table(lengths))))
    return 0
