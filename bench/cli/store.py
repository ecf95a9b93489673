"""``store``: what is kept of computed stages, whether it is sound, and making it smaller."""

import argparse
from pathlib import Path
from typing import Any

from bench.cli.numbers import real
from registries.bounds import Bounds

MIB = 2**20


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("store", help="show, verify or trim the stages that are kept")
    actions = parser.add_subparsers(metavar="ACTION")
    for name, execute, words in (
        ("show", execute_show, "what there is (default)"),
        ("verify", execute_verify, "compare every stage with its hash"),
        ("trim", execute_trim, "remove what was not used for some days"),
    ):
        action = actions.add_parser(name, help=words)
        _add_folder(action, default=argparse.SUPPRESS)  # else it would undo what stands before the action
        action.set_defaults(execute=execute)
        if name == "trim":
            action.add_argument(
                "--days",
                type=real(Bounds(0, 36_500)),
                default=30.0,
                metavar="D",
                help="unused for so long (default 30)",
            )
    _add_folder(parser)
    parser.set_defaults(execute=execute_show)


def execute_show(chosen: argparse.Namespace) -> int:
    """Print what the store holds."""
    from bench.store.maintenance import contents

    found = contents(_store(chosen))
    kinds = ", ".join(f"{number} {kind}" for kind, number in found.stages.items()) or "none"
    print(f"stages: {sum(found.stages.values())} ({kinds}), {found.stage_bytes / MIB:.1f} MiB")
    print(f"checkpoints of unfinished stages: {found.checkpoints}, {found.checkpoint_bytes / MIB:.1f} MiB")
    print(f"begun again after an interruption: {found.begun_again}")
    return 0


def execute_verify(chosen: argparse.Namespace) -> int:
    """Compare every stage with its hash."""
    from bench.store.maintenance import damaged, stage_folders

    store = _store(chosen)
    found = list(damaged(store))
    for folder, what in found:
        print(f"damaged: {folder}: {what}; delete it, it is computed anew")
    number = len(stage_folders(store)) - sum(path.is_dir() for path, _ in found)
    print(f"{number} stages are as they were written, {len(found)} stages, checkpoints or values are damaged")
    return 2 if found else 0


def execute_trim(chosen: argparse.Namespace) -> int:
    """Remove what was not used for some days."""
    from bench.store.maintenance import stage_folders, trim
    from bench.sweep.lock import only_driver

    store = _store(chosen)
    stage_folders(store)  # it exists
    with only_driver(store, "store trim"):
        number, size = trim(store, chosen.days)
    print(f"removed {number} stages and checkpoints, {size / MIB:.1f} MiB")
    return 0


def _add_folder(parser: argparse.ArgumentParser, default: str = "results") -> None:
    parser.add_argument("--out", default=default, metavar="DIR", help="whose store it is (default results)")


def _store(chosen: argparse.Namespace) -> Path:
    return Path(chosen.out) / ".store"
