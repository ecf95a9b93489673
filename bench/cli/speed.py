"""``speed``: measured time, pairwise in one process."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import plugins
from bench.cli.numbers import real, whole
from registries import RequestError
from registries.bounds import Bounds

if TYPE_CHECKING:
    from bench.speed.inputs import Shape

NETWORKS = "networks"
SIDE = whole(Bounds(16, 4096))
"""Fewer rows or columns leave no line of calibration."""
UP_TO_1024 = whole(Bounds(1, 1024))
COUNTS = {
    "coils": UP_TO_1024,
    "rows": SIDE,
    "columns": SIDE,
    "runs": whole(Bounds(1, 1_000_000)),
    "threads": UP_TO_1024,
}
ACTIONS = (NETWORKS, "channels", "pruners", "architectures", "operators", "loader", "growth", "packing")


def completed(words: Sequence[str]) -> list[str]:
    """``speed RECORD…`` as what it is short for, ``speed networks RECORD…``; other commands as they are."""
    if list(words[:1]) == ["speed"] and len(words) > 1 and words[1] not in (*ACTIONS, "-h", "--help"):
        return ["speed", NETWORKS, *words[1:]]
    return list(words)


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "speed",
        help="measure time, memory and size",
        description="Measure time, memory and size. `speed RECORD…` is short for `speed networks RECORD…`.",
    )
    actions = parser.add_subparsers(required=True, metavar="WHAT")
    _add_networks(actions)
    _add_channels(actions)
    _add_pruners(actions)
    _add_architectures(actions)
    operators = actions.add_parser("operators", help="operations that torch dispatches in a training step")
    operators.add_argument("--arch", nargs="+", default=[], metavar="A", help="architectures (default all)")
    operators.add_argument("--size", default="paper", metavar="SIZE", help="of the networks (default paper)")
    operators.set_defaults(execute=execute_operators)
    _add_loader(actions)
    _add_growth(actions)
    packing = actions.add_parser("packing", help="trials per minute with several workers side by side")
    packing.add_argument("track", nargs="?", default="toy", metavar="TRACK", help="a short one (default toy)")
    packing.add_argument(
        "--workers", nargs="+", type=UP_TO_1024, default=[1, 2, 4, 8], metavar="N", help="default 1 2 4 8"
    )
    _add_device(packing)
    packing.set_defaults(execute=execute_packing)


def _add_networks(actions: Any) -> None:
    parser = actions.add_parser(
        NETWORKS,
        help="a trained network whole, with zeros, and without the channels that do nothing",
        description="Latency, memory and size of recorded networks: whole, masked and compacted. Kept as speed.json "
        "beside each record, where `leaderboard` finds it.",
    )
    parser.add_argument("records", nargs="+", metavar="RECORD", help="record.json or its folder")
    parser.add_argument(
        "--batch", nargs="+", type=UP_TO_1024, default=[1, 8], metavar="N", help="of slices (default 1 8)"
    )
    for name in ("coils", "rows", "columns"):
        parser.add_argument(f"--{name}", type=COUNTS[name], metavar="N", help="of k-space (default: of the data)")
    parser.add_argument("--runs", type=COUNTS["runs"], default=15, metavar="N", help="default 15")
    parser.add_argument("--threads", type=COUNTS["threads"], metavar="N", help="default: as the record's track")
    plugins.add_option(parser)
    _add_device(parser)
    _add_variants(parser)
    parser.set_defaults(execute=execute_networks)


def _add_channels(actions: Any) -> None:
    parser = actions.add_parser("channels", help="what removing channels buys, on untrained networks")
    parser.add_argument("--arch", nargs="+", default=[], metavar="A", help="architectures (default all)")
    parser.add_argument("--size", default="mini", metavar="SIZE", help="of the networks (default mini)")
    ratio, usual = real(Bounds(0, 1, below=True)), [0.3, 0.5, 0.7]
    parser.add_argument("--removed", nargs="+", type=ratio, default=usual, metavar="F", help="default 0.3 0.5 0.7")
    _add_counts(parser, (("coils", 6), ("rows", 80), ("columns", 88), ("runs", 15), ("threads", 1)))
    _add_device(parser)
    parser.set_defaults(execute=execute_channels)


def _add_pruners(actions: Any) -> None:
    parser = actions.add_parser("pruners", help="what finding a mask costs, in steps of a dense training")
    parser.add_argument("--arch", default="modl", metavar="A", help="architecture (default modl)")
    parser.add_argument("--track", default="demo", metavar="T", help="data and steps (default demo)")
    parser.add_argument("--only", nargs="+", default=[], metavar="P", help="pruners (default all)")
    parser.add_argument("--sparsity", default="0.9", metavar="S", help="default 0.9")
    parser.add_argument("--runs", type=COUNTS["runs"], default=3, metavar="N", help="default 3")
    _add_device(parser)
    parser.set_defaults(execute=execute_pruners)


def _add_architectures(actions: Any) -> None:
    parser = actions.add_parser("architectures", help="training steps beside deepinv's MoDL and fastMRI's VarNet")
    parser.add_argument("--size", default="mini", metavar="SIZE", help="of the networks (default mini)")
    _add_counts(parser, (("coils", 15), ("rows", 160), ("columns", 160), ("runs", 9), ("threads", 2)))
    _add_device(parser)
    _add_variants(parser)
    parser.set_defaults(execute=execute_architectures)


def _add_loader(actions: Any) -> None:
    parser = actions.add_parser("loader", help="training slices per second against threads that read ahead")
    _add_data(parser)
    parser.add_argument("--train-on", default="knee", metavar="SET", help="default knee")
    workers = whole(Bounds(0, 256))
    parser.add_argument("--workers", nargs="+", type=workers, default=[0, 1, 2, 4], metavar="N", help="default 0 1 2 4")
    parser.add_argument("--batches", type=COUNTS["runs"], default=40, metavar="N", help="timed each time (default 40)")
    parser.add_argument("--threads", type=COUNTS["threads"], default=1, metavar="N", help="of the main thread (1)")
    _add_device(parser)
    parser.set_defaults(execute=execute_loader)


def _add_growth(actions: Any) -> None:
    parser = actions.add_parser("growth", help="time and memory of evaluation against slices and volumes")
    _add_data(parser)
    parser.add_argument("--arch", default="modl", metavar="A", help="architecture (default modl)")
    parser.add_argument("--size", default="toy", metavar="SIZE", help="of the network (default toy)")
    for name, counts in (("slices", [4, 8, 16, 30]), ("volumes", [1, 2, 4])):
        words = " ".join(map(str, counts))
        parser.add_argument(
            f"--{name}", nargs="+", type=UP_TO_1024, default=counts, metavar="N", help=f"default {words}"
        )
    parser.set_defaults(execute=execute_growth)


def _add_data(parser: Any) -> None:
    parser.add_argument("--data", metavar="ROOT", help="folder with fastMRI's knee/ and brain/")
    parser.add_argument("--track", default="fastmri-knee", metavar="T", help="how they are prepared (fastmri-knee)")


def _add_counts(parser: Any, counts: Sequence[tuple[str, int]]) -> None:
    for name, default in counts:
        parser.add_argument(f"--{name}", type=COUNTS[name], default=default, metavar="N", help=f"default {default}")


def _add_device(parser: Any) -> None:
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda")


def _add_variants(parser: Any) -> None:
    parser.add_argument(
        "--variants",
        nargs="+",
        default=[],
        metavar="V",
        help="measure so, too: bf16, channels-last, compiled, recomputing",
    )


def execute_networks(chosen: argparse.Namespace) -> int:
    """Measure recorded networks."""
    from bench.speed.networks import Conditions, measure, shape_of, table, write
    from bench.trials.plan import choose_device
    from records.record import FILE, Record

    plugins.load(chosen)
    _check_variants(chosen.variants)
    device = choose_device(chosen.device).type
    for name in chosen.records:
        path = Path(name)
        record = Record.read(path / FILE if path.is_dir() else path)
        threads = chosen.threads or record.trial.resolved.threads or 1
        shape = _shape(chosen, shape_of(record))
        batches, variants = tuple(sorted(set(chosen.batch))), tuple(chosen.variants)
        conditions = Conditions(shape, batches, chosen.runs, threads, device, variants, tuple(chosen.plugin))
        found = measure(path, conditions)
        print("\n".join(table(found)))
        print(f"kept in {write(path, found)}\n")
    return 0


def execute_channels(chosen: argparse.Namespace) -> int:
    """Measure untrained networks without some of their channels."""
    from architectures import architectures
    from bench.speed.channels import Place, channels_table
    from bench.speed.inputs import Shape
    from bench.trials.plan import choose_device

    for name in chosen.arch or architectures.names():
        architectures.get(name).arguments(chosen.size)
    shape = _shape(chosen, Shape(0, 0, 0))
    device = choose_device(chosen.device).type
    names, ratios = tuple(chosen.arch), tuple(chosen.removed)
    print("\n".join(channels_table(names, chosen.size, ratios, shape, Place(device, chosen.threads, chosen.runs))))
    return 0


def execute_pruners(chosen: argparse.Namespace) -> int:
    """Measure what finding masks costs."""
    os.environ["TQDM_DISABLE"] = "1"  # trainings of a few steps
    from bench.speed.mask_costs import pruners_table

    lines = pruners_table(chosen.arch, chosen.track, chosen.sparsity, chosen.only, chosen.runs, chosen.device)
    for line in lines:
        print(line, flush=True)
    return 0


def execute_loader(chosen: argparse.Namespace) -> int:
    """Time training data on their way to the device."""
    from bench.speed.loader import Loading, loader_table
    from bench.trials.plan import choose_device

    device = choose_device(chosen.device).type
    loading = Loading(chosen.track, chosen.data, chosen.train_on, device, chosen.batches, chosen.threads)
    for line in loader_table(loading, tuple(dict.fromkeys(chosen.workers))):
        print(line, flush=True)
    return 0


def execute_operators(chosen: argparse.Namespace) -> int:
    """Count operations."""
    from architectures import architectures
    from bench.speed.operators import operators_table

    for name in chosen.arch or architectures.names():
        architectures.get(name).arguments(chosen.size)
    print("\n".join(operators_table(chosen.arch, chosen.size)))
    return 0


def execute_growth(chosen: argparse.Namespace) -> int:
    """Measure how evaluation grows."""
    from bench.speed.growth import Growing, growth_table
    from bench.tracks.track import find_track
    from bench.trials.data import open_data

    open_data(find_track(chosen.track), chosen.data, None)  # what is wrong is said here
    growing = Growing(chosen.track, chosen.arch, chosen.size, chosen.data)
    print("\n".join(growth_table(growing, chosen.slices, chosen.volumes)))
    return 0


def execute_packing(chosen: argparse.Namespace) -> int:
    """Time sweeps of a short track."""
    from bench.speed.throughput import packing_table
    from bench.tracks.track import find_track
    from bench.trials.plan import choose_device

    find_track(chosen.track)
    print("\n".join(packing_table(chosen.track, chosen.workers, choose_device(chosen.device).type)))
    return 0


def execute_architectures(chosen: argparse.Namespace) -> int:
    """Time all architectures and their peers."""
    from architectures import architectures
    from bench.speed.peers import Case, measure
    from bench.trials.plan import choose_device

    for name in architectures.names():
        architectures.get(name).arguments(chosen.size)
    _check_variants(chosen.variants)
    device = choose_device(chosen.device).type
    case = Case(chosen.size, chosen.coils, chosen.rows, chosen.columns, device, chosen.threads)
    print("\n".join(measure(case, chosen.runs, chosen.variants)))
    return 0


def _check_variants(variants: Sequence[str]) -> None:
    from architectures.tuning import VARIANTS

    for variant in variants:
        if variant not in VARIANTS:
            raise RequestError(f"--variants {variant}: there are {', '.join(VARIANTS)}")


def _shape(chosen: argparse.Namespace, usual: "Shape") -> "Shape":
    """What was asked for, else that of the data."""
    from dataclasses import replace

    asked = {name: getattr(chosen, name) for name in ("coils", "rows", "columns")}
    return replace(usual, **{name: value for name, value in asked.items() if value is not None})
