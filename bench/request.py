"""What a user asks for on the command line, before anything is resolved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from architectures import architectures
from architectures.contract import ALL_GROUPS
from bench.settings import TrainingSettings
from bench.track import MapSettings, Track, settings_from, tracks
from bench.trial import DEFAULT_SPARSITY, PROTOCOLS, Trial, parse_sparsity
from pruners import Plan, Stage, pruners
from pruners.contract import PrunerEntry
from pruners.mask import SCOPES
from registries import RequestError, parse_options

SECTIONS = ("pruner", "train", "maps")


@dataclass(frozen=True)
class Request:
    """The arguments of ``run``; None where the track, the pruner or the machine decides.

    Attributes
    ----------
    settings : tuple of str
        ``section.name=value`` of each ``--set``.
    """

    arch: str
    pruner: str
    timing: str | None = None
    sparsity: str | None = None
    size: str | None = None
    track: str | None = None
    data: str | None = None
    annotations: str | None = None
    train_on: str = "knee"
    acceleration: int = 4
    seed: int = 0
    protocol: str = "standard"
    settings: tuple[str, ...] = ()
    device: str = "auto"
    out: str = "results"
    fresh: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Resolved:
    """A request with all choices made that need no data.

    Attributes
    ----------
    trial : Trial
    track : Track
        With the changes of ``--set``.
    stages : tuple of Stage
    entry : PrunerEntry
    groups : str
        Which weights are prunable.
    """

    trial: Trial
    track: Track
    stages: tuple[Stage, ...]
    entry: PrunerEntry
    groups: str


def resolve(request: Request) -> Resolved:
    """Check a request against the catalogues.

    Raises
    ------
    RequestError
        In one line: what is wrong and what would do.
    """
    architecture = architectures.get(request.arch)
    size, track = _size_and_track(request)
    architecture.arguments(size)
    entry = pruners.get(request.pruner)
    timing, sparsity = _timing(request, entry), _sparsity(request, entry)
    if request.acceleration < 1:
        raise RequestError(f"--acceleration {request.acceleration}: give a whole number of at least 1, e.g. 4 or 8")
    if request.protocol not in PROTOCOLS:
        raise RequestError(f"unknown protocol '{request.protocol}': there are {', '.join(PROTOCOLS)}")
    given = _sections(request.settings)
    track = _with_settings(track, given)
    scope = given["pruner"].pop("scope", "global") if timing else "global"
    groups = given["pruner"].pop("groups", ALL_GROUPS) if timing else ALL_GROUPS
    if scope not in SCOPES:
        raise RequestError(f"--set pruner.scope={scope}: there are {', '.join(SCOPES)}")
    options = parse_options(f"pruner '{entry.name}'", entry.options, given["pruner"])
    stages = entry.recipe(timing, Plan(track.training.steps, sparsity, scope), **options)
    recorded: dict[str, Any] = {**options, **({"scope": scope, "groups": groups} if timing else {})}
    trial = Trial(
        arch=request.arch,
        size=size,
        pruner=entry.name,
        timing=timing,
        sparsity=sparsity,
        train_on=request.train_on,
        acceleration=request.acceleration,
        seed=request.seed,
        protocol=request.protocol,
        options=tuple(sorted(recorded.items())),
    )
    return Resolved(trial, track, stages, entry, groups)


def _size_and_track(request: Request) -> tuple[str, Track]:
    """A size alone takes the track of its name, a track alone the size of its name, neither means `demo`."""
    size = request.size or request.track or "demo"
    name = request.track or size
    if request.track is None and name not in tracks.names():
        raise RequestError(
            f"size '{size}' has no track of its name: add --track with one of {', '.join(tracks.names())}"
        )
    return size, tracks.get(name)


def _timing(request: Request, entry: PrunerEntry) -> str | None:
    if not entry.timings:
        if request.timing is not None:
            raise RequestError(f"pruner '{entry.name}' has no timing: leave --timing away")
        return None
    timing = request.timing or entry.timings[0]
    if timing not in entry.timings:
        raise RequestError(f"pruner '{entry.name}' does not exist at timing '{timing}': use {', '.join(entry.timings)}")
    return timing


def _sparsity(request: Request, entry: PrunerEntry) -> str:
    if not entry.timings:
        if request.sparsity is not None and parse_sparsity(request.sparsity) != "0":
            raise RequestError(f"pruner '{entry.name}' removes nothing: leave --sparsity away")
        return "0"
    return parse_sparsity(DEFAULT_SPARSITY if request.sparsity is None else request.sparsity)


def _sections(settings: Sequence[str]) -> dict[str, dict[str, str]]:
    given: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for setting in settings:
        name, equals, value = setting.partition("=")
        section, dot, key = name.partition(".")
        if not (equals and dot and key) or section not in SECTIONS:
            raise RequestError(f"--set {setting}: write {', '.join(f'{s}.NAME=VALUE' for s in SECTIONS)}")
        given[section][key] = value
    return given


def _with_settings(track: Track, given: Mapping[str, Mapping[str, str]]) -> Track:
    training = _changed(track.training, TrainingSettings, given["train"], "train")
    maps = _changed(track.maps, MapSettings, given["maps"], "maps")
    return replace(track, training=training, maps=maps)


def _changed(current: Any, kind: type[Any], given: Mapping[str, str], section: str) -> Any:
    values = parse_options(f"--set {section}", vars(current), given)
    return settings_from(kind, values, f"--set {section}")
