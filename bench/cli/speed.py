"""``speed``: measured time, pairwise in one process."""

import argparse
from typing import Any

from registries import RequestError


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("speed", help="measure time and memory beside peers")
    actions = parser.add_subparsers(required=True, metavar="WHAT")
    networks = actions.add_parser("architectures", help="training steps beside deepinv's MoDL and fastMRI's VarNet")
    networks.add_argument("--size", default="mini", metavar="SIZE", help="of the networks (default mini)")
    for name, default in (("coils", 15), ("rows", 160), ("columns", 160), ("runs", 9), ("threads", 2)):
        networks.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"default {default}")
    networks.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda")
    networks.add_argument(
        "--variants", nargs="+", default=[], metavar="V", help="measure so, too: bf16, channels-last, compiled"
    )
    networks.set_defaults(execute=execute_architectures)
    packing = actions.add_parser("packing", help="trials per minute with several workers side by side")
    packing.add_argument("track", nargs="?", default="toy", metavar="TRACK", help="a short one (default toy)")
    packing.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4, 8], metavar="N", help="default 1 2 4 8")
    packing.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda")
    packing.set_defaults(execute=execute_packing)


def execute_packing(chosen: argparse.Namespace) -> int:
    """Time sweeps of a short track."""
    from bench.planning import choose_device
    from bench.speed.packing import packing_table
    from bench.track import find_track

    find_track(chosen.track)
    for number in chosen.workers:
        if number < 1:
            raise RequestError(f"--workers {number}: at least 1")
    print("\n".join(packing_table(chosen.track, chosen.workers, choose_device(chosen.device).type)))
    return 0


def execute_architectures(chosen: argparse.Namespace) -> int:
    """Time all architectures and their peers."""
    from architectures import architectures
    from architectures.tuning import VARIANTS
    from bench.planning import choose_device
    from bench.speed.architectures import Case, measure

    for name in ("coils", "rows", "columns", "runs", "threads"):
        if getattr(chosen, name) < 1:
            raise RequestError(f"--{name} {getattr(chosen, name)}: at least 1")
    for name in architectures.names():
        architectures.get(name).arguments(chosen.size)
    for variant in chosen.variants:
        if variant not in VARIANTS:
            raise RequestError(f"--variants {variant}: there are {', '.join(VARIANTS)}")
    device = choose_device(chosen.device).type
    case = Case(chosen.size, chosen.coils, chosen.rows, chosen.columns, device, chosen.threads)
    print("\n".join(measure(case, chosen.runs, chosen.variants)))
    return 0
