"""``list``: what there is."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
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
        "-v",
        "--verbose",
        action="store_true",
        help="also each option with its default and meaning, and the parameters of each size",
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
        return (*_options_of_architecture(name), *_sizes(name))
    if kind == "tracks":
        return _settings(name)
    return _options(name) if kind == "pruners" and name in pruners.names() else ()


def _described(section: str, values: Mapping[str, Any], meanings: Mapping[str, str]) -> Iterator[str]:
    """``section.name=default`` and what it means, a line each; as ``--set`` takes it."""
    settings = {name: f"{section}.{name}={setting_text(value)}" for name, value in values.items()}
    width = max(map(len, settings.values()), default=0)
    for name, text in settings.items():
        yield f"{text:<{width}}  {meanings.get(name, '').replace('``', '')}".rstrip()


def _options(name: str) -> Iterator[str]:
    """What ``--set pruner.…`` may change."""
    from pruners import pruners

    entry = pruners.get(name)
    common = {"scope": entry.scope, "groups": "all", "rounds": entry.rounds}
    first = entry.timings[0] if entry.timings else None
    values = {**entry.options, **{option: common[option] for option in entry.common_options(first)}}
    yield from _described("pruner", values, entry.meanings)


def _settings(name: str) -> Iterator[str]:
    """What ``--set train.…`` and ``--set maps.…`` may change, with the values of a track."""
    from bench.tracks.track import tracks
    from registries.meanings import meanings_of

    track = tracks.get(name)
    for section, values in (("train", track.training), ("maps", track.maps)):
        yield from _described(section, vars(values), meanings_of(type(values)))


def _options_of_architecture(name: str) -> Iterator[str]:
    """What ``--set init=…`` and ``--set arch.…`` may change."""
    from architectures import architectures
    from architectures.initialisation import INITIALISATIONS
    from registries.meanings import meanings_of

    entry = architectures.get(name)
    others = ", ".join(name for name in INITIALISATIONS if name != entry.init)
    yield f"init={entry.init}  Rule by which the initial weights are drawn (or {others})."
    yield from _described("arch", entry.options, meanings_of(entry.construct))


def _sizes(name: str) -> Iterator[str]:
    """The parameters of each size by group."""
    import torch

    from architectures import architectures, build

    for size in architectures.get(name).sizes:
        model = build(name, size, torch.Generator())
        groups = {group: sum(p.weight.numel() for p in model.prunable(group).values()) for group in model.groups()}
        prunable = ", ".join(f"{group} {number:,}" for group, number in groups.items())
        yield f"{size:<6} {sum(p.numel() for p in model.parameters()):>11,} parameters, prunable: {prunable}"
