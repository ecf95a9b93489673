"""``list``: what there is."""

import argparse
from collections.abc import Iterable
from typing import Any

KINDS = ("architectures", "pruners", "datasets", "tracks")


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("list", help="what architectures, pruners, datasets and tracks there are")
    parser.add_argument("kind", nargs="?", choices=KINDS, help="one kind only (default: all)")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    for kind in [chosen.kind] if chosen.kind else KINDS:
        print(f"{kind}")
        for name, summary, details in _entries(kind):
            print(f"  {name:<14} {summary}")
            print(f"  {'':<14} {details}")
    return 0


def _entries(kind: str) -> Iterable[tuple[str, str, str]]:
    """Name, summary and details of each entry."""
    if kind == "architectures":
        from architectures import architectures

        return [
            (
                e.name,
                e.summary,
                f"sizes {', '.join(e.sizes)} · {e.sharing} · needs {', '.join(e.needs) or 'k-space only'} · {e.source}",
            )
            for e in architectures
        ]
    if kind == "pruners":
        from pruners import pruners

        return [(e.name, e.summary, f"{', '.join(e.timings) or 'no timing'} · {e.source}") for e in pruners]
    if kind == "datasets":
        from datasets.splits import splits

        return [(e.name, e.summary, e.source) for e in splits]
    from bench.track import tracks

    return [
        (t.name, t.summary, f"{t.training.steps} steps · splits {', '.join(t.evaluation.splits)} · {t.source}")
        for t in tracks
    ]
