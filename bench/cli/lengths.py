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
    from registries import RequestError
    from registries.hashing import content_key
    from registries.text import aligned

    groups: dict[str, list[Any]] = {}
    for record in read_records(Path(chosen.folder)):
        if record.ok:
            trial, source = record.trial, record.content["provenance"]
            name = (
                f"track {trial['resolved']['track']}, size {trial['size']}, trained on {trial['train_on']}, "
                f"{trial['acceleration']}×, {trial['protocol']} protocol, {source['numerics']['device']}, "
                f"{source['data']['kind']} data {content_key(source['data']['identity'])[:8]}"
            )
            groups.setdefault(name, []).append(record)
    found = {name: lengths_of(records) for name, records in sorted(groups.items())}
    if not any(found.values()):
        raise RequestError(f"{chosen.folder}: holds no dense network that was scored on validation patients")
    for name, lengths in found.items():
        if lengths:
            print(f"{name}; PSNR in dB, means over seeds")
            print("\n".join(aligned(table(lengths))))
    return 0
