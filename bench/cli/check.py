"""``check``: does an entry keep its contract?"""

import argparse
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.cli import plugins
from registries import RequestError
from registries.checking import Outcome


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("check", help="run the contract of an entry, also of your own")
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    architecture = kinds.add_parser("architecture", help="shapes, gradients, invariances, determinism, …")
    architecture.add_argument("name", metavar="NAME")
    plugins.add_option(architecture)
    architecture.set_defaults(execute=execute_architecture)
    pruner = kinds.add_parser("pruner", help="exact counts, reproducibility, zeros, cost, … on every architecture")
    pruner.add_argument("name", metavar="NAME")
    plugins.add_option(pruner)
    pruner.set_defaults(execute=execute_pruner)
    statistics = kinds.add_parser("statistics", help="measure how often the 95 %% interval holds the truth")
    statistics.add_argument("--repetitions", type=int, default=4000, metavar="N", help="of each design (default 4000)")
    statistics.set_defaults(execute=execute_statistics)
    sweep = kinds.add_parser("sweep", help="kill a sweep again and again and compare it with an undisturbed one")
    sweep.add_argument("track", nargs="?", default="stress", metavar="TRACK", help="a short one (default stress)")
    sweep.add_argument("--kills", type=int, default=20, metavar="N", help="SIGKILLs at random moments (default 20)")
    sweep.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (default 0)")
    sweep.set_defaults(execute=execute_sweep)


def execute_architecture(chosen: argparse.Namespace) -> int:
    """Check an architecture at size ``toy``."""
    from architectures import architectures
    from architectures.checks import run_checks

    plugins.load(chosen)
    return _report(f"architecture {chosen.name}", run_checks(architectures.get(chosen.name)))


def execute_pruner(chosen: argparse.Namespace) -> int:
    """Check a pruner on every architecture at size ``toy``."""
    os.environ["TQDM_DISABLE"] = "1"
    from bench.check.pruner import run_checks
    from pruners import pruners

    plugins.load(chosen)
    entry = pruners.get(chosen.name)
    with tempfile.TemporaryDirectory() as folder:
        return _report(f"pruner {chosen.name}", run_checks(entry, Path(folder)))


def execute_statistics(chosen: argparse.Namespace) -> int:
    """Print measured coverage for designs of seeds × patients and ratios of variances."""
    from leaderboards.statistics.coverage import coverage_table
    from registries.text import aligned

    if chosen.repetitions < 1:
        raise RequestError(f"--repetitions {chosen.repetitions}: at least 1")
    print(f"share of 95 % intervals that hold the true mean, {chosen.repetitions} simulated data sets each;")
    print("variances between seeds and between patients in units of the residual one")
    print("\n".join(aligned(coverage_table(chosen.repetitions))))
    return 0


def execute_sweep(chosen: argparse.Namespace) -> int:
    """Sweep twice, once with kills."""
    from bench.check.kills import compare_killed, lines

    if chosen.kills < 0:
        raise RequestError(f"--kills {chosen.kills}: at least 0")
    with tempfile.TemporaryDirectory() as folder:
        found = compare_killed(chosen.track, chosen.kills, Path(folder), chosen.seed)
    print("\n".join(lines(found)))
    return 0 if found.holds else 1


def _report(what: str, outcomes: Iterable[Outcome]) -> int:
    failed = 0
    for outcome in outcomes:
        failed += outcome.verdict == "FAIL"
        print(f"{outcome.verdict:<4} {outcome.name}: {outcome.message}", flush=True)
    print(f"{what}: {'keeps its contract' if not failed else f'{failed} checks failed'}")
    return 1 if failed else 0
