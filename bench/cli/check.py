"""``check``: does an entry keep its contract?"""

import argparse
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import plugins
from bench.cli.numbers import whole
from registries.bounds import Bounds
from registries.checking import Outcome

if TYPE_CHECKING:
    from bench.check.undisturbed import Undisturbed


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
    statistics.add_argument(
        "--repetitions",
        type=whole(Bounds(1, 1_000_000)),
        default=4000,
        metavar="N",
        help="of each design (default 4000)",
    )
    statistics.set_defaults(execute=execute_statistics)
    sweep = kinds.add_parser("sweep", help="kill a sweep, let its machine fail, and compare it with an undisturbed one")
    store = kinds.add_parser("store", help="damage files of a store and see whether each is noticed")
    for parser, name, least, default, words in (
        (sweep, "--kills", 0, 20, "SIGKILLs at random moments"),
        (sweep, "--faults", 0, 10, "faults of storage and memory"),
        (store, "--damages", 1, 10, "files to damage"),
    ):
        number = whole(Bounds(least, 10_000))
        parser.add_argument(name, type=number, default=default, metavar="N", help=f"{words} (default {default})")
    sweep.set_defaults(execute=execute_sweep)
    store.set_defaults(execute=execute_store)
    for disturbed in (sweep, store):
        disturbed.add_argument(
            "track", nargs="?", default="stress", metavar="TRACK", help="a short one (default stress)"
        )
        disturbed.add_argument(
            "--seed", type=whole(Bounds(0)), default=0, metavar="N", help="seed of what happens when (default 0)"
        )


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

    loaded = plugins.load(chosen)
    entry = pruners.get(chosen.name)
    with tempfile.TemporaryDirectory() as folder:
        return _report(f"pruner {chosen.name}", run_checks(entry, Path(folder), tuple(loaded)))


def execute_statistics(chosen: argparse.Namespace) -> int:
    """Print measured coverage for designs of seeds × patients and ratios of variances."""
    from leaderboards.statistics.coverage import coverage_table
    from registries.text import aligned

    print(f"share of 95 % intervals that hold the true mean, {chosen.repetitions} simulated data sets each;")
    print("variances between seeds and between patients in units of the residual one")
    print("\n".join(aligned(coverage_table(chosen.repetitions))))
    return 0


def execute_sweep(chosen: argparse.Namespace) -> int:
    """Sweep undisturbed, then with kills, then with faults of the machine."""
    from bench.check.faults import fault_lines, faulty_sweeps
    from bench.check.kills import kill_lines, killed_sweeps

    with _undisturbed(chosen) as (whole, folder):
        killed = list(killed_sweeps(whole, chosen.kills, folder, chosen.seed))
        for line in kill_lines(killed):
            print(line, flush=True)
        faulty = faulty_sweeps(whole, chosen.faults, folder, chosen.seed)
        for line in fault_lines(faulty):
            print(line)
    return 0 if all(sweep.holds for sweep in killed) and not faulty.wrong else 1


def execute_store(chosen: argparse.Namespace) -> int:
    """Sweep undisturbed, then again and again from a store of which files are damaged."""
    from bench.check.damage import damage_lines, damaged_stores

    with _undisturbed(chosen) as (whole, folder):
        stores = damaged_stores(whole, chosen.damages, folder, chosen.seed)
        for line in damage_lines(stores):
            print(line)
    return 1 if stores.wrong else 0


@contextmanager
def _undisturbed(chosen: argparse.Namespace) -> "Iterator[tuple[Undisturbed, Path]]":
    """An undisturbed sweep in a folder that goes afterwards."""
    from bench.check.undisturbed import undisturbed

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        whole = undisturbed(chosen.track, folder / "whole")
        print(f"{chosen.track}, undisturbed: {len(whole.records)} trials", flush=True)
        yield whole, folder


def _report(what: str, outcomes: Iterable[Outcome]) -> int:
    failed = 0
    for outcome in outcomes:
        failed += outcome.verdict == "FAIL"
        print(f"{outcome.verdict:<4} {outcome.name}: {outcome.message}", flush=True)
    print(f"{what}: {'keeps its contract' if not failed else f'{failed} checks failed'}")
    return 1 if failed else 0
