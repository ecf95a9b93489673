"""``export``: a trained network as a smaller file."""

import argparse
from pathlib import Path
from typing import Any

from bench.cli import plugins

KINDS = ("compact", "sparse")


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "export",
        help="write a trained network without its zeros",
        description="compact: without the channels that do nothing, a smaller network of the same output. sparse: one "
        "bit per weight and the values that are kept. Both are safetensors files beside the record.",
    )
    parser.add_argument("records", nargs="+", metavar="RECORD", help="record.json or its folder")
    plugins.add_option(parser)
    parser.add_argument("--as", dest="kind", choices=KINDS, default=KINDS[0], help="default compact")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    plugins.load(chosen)
    from bench.networks.compact import compact, write_compact
    from bench.networks.sparse import write_sparse
    from bench.networks.trained import WEIGHTS, StoredNetwork
    from bench.speed.networks import check_equal

    for name in chosen.records:
        stored = StoredNetwork.of(Path(name))
        path = stored.folder / f"{chosen.kind}.safetensors"
        if chosen.kind == "sparse":
            write_sparse(path, stored.model.state_dict(), stored.mask)
            what = f"{stored.mask.kept:,} of {stored.mask.total:,} prunable weights"
        else:
            small, plan = compact(stored.model)
            check_equal(stored, small)
            write_compact(path, small, plan, stored.record.trial)
            counts = [sum(p.numel() for p in model.parameters()) for model in (small, stored.model)]
            what = f"{counts[0]:,} of {counts[1]:,} parameters"
        sizes = [p.stat().st_size / 1024 for p in (path, stored.folder / WEIGHTS)]
        print(f"{path}: {what}, {sizes[0]:,.0f} of {sizes[1]:,.0f} KiB")
    return 0
