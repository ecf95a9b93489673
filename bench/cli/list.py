"""``list``: what there is."""

import argparse
from collections.abc import Iterable
from typing import Any

from bench.cli import plugins
from records.row_name import setting_text

WIDTH = 20
KINDS = ("architectures", "pruners", "datasets", "shifts", "metrics", "tracks")


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "list", help="what architectures, pruners, datasets, shifts, metrics and tracks there are"
    )
    parser.add_argument("kind", nargs="?", choices=KINDS, help="one kind only (default: all)")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="with the parameters of each size and group, and the options"
    )
    plugins.add_option(parser)
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    plugins.load(chosen)
    for kind in [chosen.kind] if chosen.kind else KINDS:
        print(f"{kind}")
        for name, summary, details in _entries(kind):
            print(f"  {name:<{WIDTH}} {summary}")
            print(f"  {'':<{WIDTH}} {details}")
            if chosen.verbose:
                for line in _more(kind, name):
                    print(f"  {'':<{WIDTH}} {line}")
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

        found = [(e.name, e.summary, f"{', '.join(e.timings) or 'no timing'} · {e.source}") for e in pruners]
        return found + [(name, "cannot be used", reason) for name, reason in pruners.broken.items()]
    if kind == "datasets":
        from datasets.splits import splits

        return [(e.name, e.summary, e.source) for e in splits]
    if kind == "shifts":
        from datasets.shifts import shifts

        return [(e.name, e.summary, e.source) for e in shifts]
    if kind == "metrics":
        from bench.evaluation.metrics import metrics

        return [(e.name, e.summary, e.source) for e in metrics.ordered()]
    from bench.tracks.track import tracks

    return [
        (t.name, t.summary, f"{t.training.steps} steps · splits {', '.join(t.evaluation.splits)} · {t.source}")
        for t in tracks
    ]


def _more(kind: str, name: str) -> Iterable[str]:
    from pruners import pruners

    if kind == "architectures":
        return _sizes(name)
    return _options(name) if kind == "pruners" and name in pruners.names() else ()


def _options(name: str) -> Iterable[str]:
    """What ``--set pruner.…`` may change, with its default."""
    from pruners import pruners

    entry = pruners.get(name)
    options = {**entry.options, **({"scope": entry.scope, "groups": "all"} if entry.timings else {})}
    if entry.in_rounds:
        options["rounds"] = entry.rounds
    if options:
        yield f"options: {', '.join(f'{key}={setting_text(value)}' for key, value in sorted(options.items()))}"


def _sizes(name: str) -> Iterable[str]:
    """Options of an architecture, and the parameters of each size by group."""
    import torch

    from architectures import architectures, build
    from architectures.initialisation import INITIALISATIONS

    entry = architectures.get(name)
    options = "".join(f", arch.{key}={setting_text(value)}" for key, value in sorted(entry.options.items()))
    others = ", ".join(name for name in INITIALISATIONS if name != entry.init)
    yield f"options: init={entry.init} (or {others}){options}"
    for size in entry.sizes:
        model = build(name, size, torch.Generator())
        groups = {group: sum(p.weight.numel() for p in model.prunable(group).values()) for group in model.groups()}
        prunable = ", ".join(f"{group} {number:,}" for group, number in groups.items())
        yield f"{size:<6} {sum(p.numel() for p in model.parameters()):>11,} parameters, prunable: {prunable}"
