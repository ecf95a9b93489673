"""``check``: does an entry keep its contract?"""

import argparse
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.cli import plugins
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


def execute_architecture(chosen: argparse.Namespace) -> int:
    """Check an architecture at size ``toy``."""
    from architectures import architectures
    from architectures.checks import run_checks

    plugins.load(chosen)
    return _report(f"architecture {chosen.name}", run_checks(architectures.get(chosen.name)))


def execute_pruner(chosen: argparse.Namespace) -> int:
    """Check a pruner on every architecture at size ``toy``."""
    os.environ["TQDM_DISABLE"] = "1"
    from bench.pruner_checks import run_checks
    from pruners import pruners

    plugins.load(chosen)
    entry = pruners.get(chosen.name)
    with tempfile.TemporaryDirectory() as folder:
        return _report(f"pruner {chosen.name}", run_checks(entry, Path(folder)))


def _report(what: str, outcomes: Iterable[Outcome]) -> int:
    failed = 0
    for outcome in outcomes:
        failed += outcome.verdict == "FAIL"
        print(f"{outcome.verdict:<4} {outcome.name}: {outcome.message}", flush=True)
    print(f"{what}: {'keeps its contract' if not failed else f'{failed} checks failed'}")
    return 1 if failed else 0
