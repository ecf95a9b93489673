"""``export``: a trained network in other files: smaller ones, or such as other programs run."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import plugins

if TYPE_CHECKING:
    from bench.networks.exchange import Format
    from bench.networks.trained import StoredNetwork

KINDS = ("compact", "sparse", "onnx", "torchscript")


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "export",
        help="write a trained network in another format: smaller, or for other programs",
        description="compact: without the channels that do nothing, a smaller network of the same output. sparse: one "
        "bit per weight and the values that are kept. Both are safetensors files beside the record. onnx, torchscript: "
        "the CNNs of the network, one file each in a folder of that name, for images of any size; each is compared "
        "with torch at several sizes. Data consistency is not part of these files.",
    )
    parser.add_argument("records", nargs="+", metavar="RECORD", help="record.json or its folder")
    plugins.add_option(parser)
    words = f"{', '.join(KINDS)}; default {KINDS[0]}"
    parser.add_argument("--format", "--as", dest="kind", choices=KINDS, default=KINDS[0], metavar="FORMAT", help=words)
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    plugins.load(chosen)
    from bench.networks.exchange import FORMATS
    from bench.networks.trained import StoredNetwork

    records = [Path(name) for name in chosen.records]
    if chosen.kind in FORMATS:
        kind = FORMATS[chosen.kind]
        kind.check_packages()
        written = [_exchange(StoredNetwork.of(path), kind) for path in records]
        return 0 if all(written) else 1
    for path in records:
        _smaller_file(StoredNetwork.of(path), chosen.kind)
    return 0


def _smaller_file(stored: "StoredNetwork", kind: str) -> None:
    from bench.networks.compact import compact, write_compact
    from bench.networks.sparse import write_sparse
    from bench.networks.trained import WEIGHTS
    from bench.speed.networks import check_equal

    path = stored.folder / f"{kind}.safetensors"
    if kind == "sparse":
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


def _exchange(stored: "StoredNetwork", kind: "Format") -> int:
    """Write the CNNs of a record, one line each; gives how many could be written."""
    from bench.networks.compact import compact
    from bench.networks.exchange import NotExportedError, export
    from records.record import present

    trial = stored.record.trial
    model = stored.model
    if present(stored.record.mask).channels:  # what structured pruning removed need not be computed
        model, _ = compact(model)
    written = 0
    for name, network in model.networks().items():
        path = stored.folder / kind.name / f"{name}{kind.suffix}"
        about = {"network": name, "row": str(trial.row), "architecture": trial.arch, "size": trial.size}
        try:
            found = export(network.requires_grad_(False), path, kind, about)
        except NotExportedError as error:
            print(f"{path}: not written: {error}", flush=True)
            continue
        written += 1
        count, size = sum(p.numel() for p in network.parameters()), path.stat().st_size / 1024
        print(
            f"{path}: {count:,} parameters, {size:,.0f} KiB, images from {found.smallest} × {found.smallest} on; "
            f"largest relative difference from torch {found.difference:.1e}",
            flush=True,
        )
    return written
