"""``check``: does an entry keep its contract?"""

import argparse
from typing import Any

from bench.cli import plugins


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("check", help="run the contract of an entry, also of your own")
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    architecture = kinds.add_parser("architecture", help="shapes, gradients, invariances, determinism, …")
    architecture.add_argument("name", metavar="NAME")
    plugins.add_option(architecture)
    architecture.set_defaults(execute=execute_architecture)


def execute_architecture(chosen: argparse.Namespace) -> int:
    """Check an architecture at size ``toy``."""
    from architectures import architectures
    from architectures.checks import run_checks

    plugins.load(chosen)
    failed = 0
    for outcome in run_checks(architectures.get(chosen.name)):
        failed += outcome.verdict == "FAIL"
        print(f"{outcome.verdict:<4} {outcome.name}: {outcome.message}")
    print(f"architecture {chosen.name}: {'keeps its contract' if not failed else f'{failed} checks failed'}")
    return 1 if failed else 0
