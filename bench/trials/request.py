"""What a user asks for on the command line, before anything is resolved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from architectures import architectures
from architectures.contract import ALL_GROUPS, ArchitectureEntry, Variant
from architectures.outline import Outline, outline
from bench.stages.losses import COMPLEX
from bench.tracks.parsing import settings_from
from bench.tracks.settings import LOSSES, EvaluationSettings, TrainingSettings
from bench.tracks.track import MapSettings, Track, find_track, tracks
from bench.trials.controls import Control
from datasets.shifts import shifts
from pruners import Plan, PrunerEntry, Stage, pruners
from pruners.contract import checked
from pruners.granularity import granularity_of
from records.row_name import parse_sparsity
from records.trial import ACCELERATIONS, DEFAULT_SPARSITY, PROTOCOLS, SEEDS, Trial
from registries import RequestError, parse_options
from registries.bounds import Bounds
from registries.text import offer

SECTIONS = ("pruner", "train", "maps", "arch")
ROUNDS = Bounds(1, 1000)
INIT = "init"
"""Set without a section: where the network starts."""


@dataclass(frozen=True)
class Request:
    """The arguments of ``run``; None where the track, the pruner or the machine decides.

    Attributes
    ----------
    settings : tuple of str
        ``section.name=value`` of each ``--set``, or ``init=NAME``.
    shifts : tuple of str or None
        Names, or ``all``.
    loader_workers : int or None
        Threads that read training batches ahead; no result depends on them.
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
    protocol: str | None = None
    control: str | None = None
    dense_weights: str | None = None
    settings: tuple[str, ...] = ()
    shifts: tuple[str, ...] | None = None
    device: str = "auto"
    out: str = "results"
    fresh: bool = False
    quiet: bool = False
    loader_workers: int | None = None


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
    plan : Plan
        What the recipe was told.
    width : float
        Factor of the numbers of channels.
    variant : Variant
        What deviates from the network that the architecture declares.
    budget : int
        Steps of one dense training, to which costs relate; more than T of the plan under `equal-total`.
    """

    trial: Trial
    track: Track
    stages: tuple[Stage, ...]
    entry: PrunerEntry
    groups: str
    plan: Plan
    width: float
    variant: Variant
    budget: int
    control: Control

    @property
    def init(self) -> str:
        """Name of the rule that θ₀ is drawn by."""
        return self.variant.init or architectures.get(self.trial.arch).init

    def with_steps(self, steps: int) -> "Resolved":
        """The same with another T."""
        plan = replace(self.plan, steps=steps)
        training = replace(self.track.training, steps=steps)
        options = {name: value for name, value in self.trial.options.items() if name in self.entry.options}
        try:
            expanded = self.entry.recipe(self.trial.timing, plan, **options)
        except RequestError:
            raise
        except Exception as error:  # whatever somebody's recipe does
            raise RequestError(
                f"pruner '{self.entry.name}': its recipe fails: {type(error).__name__}: {error}"
            ) from None
        granularity = granularity_of(self.entry)
        stages = self.control.recipe(checked(self.entry.name, expanded, granularity.name), plan, granularity)
        return replace(self, plan=plan, track=replace(self.track, training=training), stages=stages)


def resolve(request: Request) -> Resolved:
    """Check a request against the catalogues.

    Raises
    ------
    RequestError
        In one line: what is wrong and what would do.
    """
    architecture = architectures.get(request.arch)
    size = request.size or (Path(request.track).stem if request.track else "demo")
    named = find_track(request.track) if request.track else None
    architecture.arguments(size)
    track = named or _track_of(size)
    track = replace(track, training=track.training_of(request.arch))
    entry = pruners.get(request.pruner)
    if missing := granularity_of(entry).missing():
        raise missing
    timing, sparsity = _timing(request, entry), _sparsity(request, entry)
    ACCELERATIONS.check(request.acceleration, "--acceleration")
    SEEDS.check(request.seed, "--seed")
    protocol = request.protocol or track.protocol
    if protocol not in PROTOCOLS:
        raise RequestError(f"unknown protocol '{protocol}': {offer(protocol, PROTOCOLS)}")
    control = Control.parse(request.control, entry, timing)
    given = _sections(request.settings)
    variant = architecture.variant(given[INIT].get(INIT), given["arch"])
    usual = track
    track = _with_settings(track, given)
    settings = {**_deviations(usual, track), **{f"arch.{name}": value for name, value in variant.options}}
    settings |= {INIT: variant.init} if variant.init else {}
    track = replace(track, evaluation=_with_shifts(track.evaluation, request.shifts))
    track = replace(track, training=control.training(track.training))
    recorded, common = _options(entry, timing, given["pruner"])
    plan = Plan(track.training.steps, sparsity, str(common["scope"]), int(common["rounds"]))
    defaults = {**entry.options, "scope": entry.scope, "groups": ALL_GROUPS, "rounds": entry.rounds}
    settings |= {f"pruner.{name}": value for name, value in recorded.items() if value != defaults[name]}
    groups = str(common["groups"])
    prunable = _prunable(request.arch, size, variant, track.training.loss, groups)
    trial = Trial.made_of(
        arch=request.arch,
        size=size,
        pruner=entry.name,
        timing=timing,
        sparsity=sparsity,
        train_on=request.train_on,
        acceleration=request.acceleration,
        seed=request.seed,
        protocol=protocol,
        control=control.name,
        options=recorded,
        settings=settings,
    )
    width = control.width(request.arch, size, prunable, variant)
    resolved = Resolved(trial, track, (), entry, groups, plan, width, variant, plan.steps, control)
    return resolved.with_steps(plan.steps)


def _options(entry: PrunerEntry, timing: str | None, given: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the pruner as they are recorded, and scope, groups and rounds."""
    common = _common_options(entry, timing, given)
    options = parse_options(f"pruner '{entry.name}'", entry.options, given, entry.common_options(timing))
    for name, choices in entry.choices.items():
        if options[name] not in choices:
            known = offer(str(options[name]), map(str, choices))
            raise RequestError(f"--set pruner.{name}={options[name]}: {known}")
    recorded: dict[str, Any] = {**options, **{name: common[name] for name in common if timing}}
    if not entry.in_rounds or timing == "while":
        recorded.pop("rounds", None)
    return recorded, common


def _prunable(arch: str, size: str, variant: Variant, loss: str, groups: str) -> int:
    """Number of prunable weights of all groups, if the network can be built and has this group and this loss."""
    shell = _without_weights(architectures.get(arch), size, variant)
    if loss == COMPLEX and not shell.model.gives_complex:
        others = ", ".join(one for one in LOSSES if one != COMPLEX)
        raise RequestError(f"loss {COMPLEX}: '{arch}' gives no complex image; use train.loss of {others}")
    shell.prunable(groups)
    return sum(part.weight.numel() for part in shell.prunable().values())


def _common_options(entry: PrunerEntry, timing: str | None, given: dict[str, str]) -> dict[str, Any]:
    """Scope, groups and rounds of any pruner, taken out of what was given."""
    if timing is None:
        return {"scope": entry.scope, "groups": ALL_GROUPS, "rounds": 1}
    scope, groups = given.pop("scope", entry.scope), given.pop("groups", ALL_GROUPS)
    known = granularity_of(entry).scopes
    if scope not in known:
        raise RequestError(f"--set pruner.scope={scope}: {offer(scope, known)} for '{entry.name}'")
    has_rounds = "rounds" in entry.common_options(timing)
    asked = {"rounds": given.pop("rounds")} if has_rounds and "rounds" in given else {}
    rounds = parse_options(f"pruner '{entry.name}'", {"rounds": entry.rounds}, asked)
    ROUNDS.check(int(rounds["rounds"]), "--set pruner.rounds")
    return {"scope": scope, "groups": groups, **rounds}


def _without_weights(entry: ArchitectureEntry, size: str, variant: Variant) -> Outline:
    """Raises `RequestError` where the options of the user make no network."""
    try:
        return outline(entry, size, variant=variant)
    except RequestError:
        raise
    except Exception as error:  # whatever somebody's constructor does with an option
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RequestError(f"architecture '{entry.name}': cannot be built: {reason}") from None


def _track_of(size: str) -> Track:
    """A size alone takes the track of its name."""
    if size not in tracks.names():
        raise RequestError(f"size '{size}' has no track of its name: add --track: {offer(size, tracks.names())}")
    return tracks.get(size)


def _timing(request: Request, entry: PrunerEntry) -> str | None:
    if not entry.timings:
        if request.timing is not None:
            raise RequestError(f"pruner '{entry.name}' has no timing: drop --timing")
        return None
    timing = request.timing or entry.timings[0]
    if timing not in entry.timings:
        raise RequestError(f"pruner '{entry.name}' does not exist at timing '{timing}': use {', '.join(entry.timings)}")
    return timing


def _sparsity(request: Request, entry: PrunerEntry) -> str:
    if not entry.timings:
        if request.sparsity is not None and parse_sparsity(request.sparsity) != "0":
            raise RequestError(f"pruner '{entry.name}' removes nothing: drop --sparsity")
        return "0"
    return parse_sparsity(DEFAULT_SPARSITY if request.sparsity is None else request.sparsity)


def _sections(settings: Sequence[str]) -> dict[str, dict[str, str]]:
    given: dict[str, dict[str, str]] = {section: {} for section in (*SECTIONS, INIT)}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if name == INIT and equals:
            given[INIT][INIT] = value
            continue
        section, dot, key = name.partition(".")
        if not (equals and dot and key) or section not in SECTIONS:
            raise RequestError(f"--set {setting}: write {', '.join(f'{s}.NAME=VALUE' for s in SECTIONS)} or init=NAME")
        given[section][key] = value
    return given


def _with_settings(track: Track, given: Mapping[str, Mapping[str, str]]) -> Track:
    training = _changed(track.training, TrainingSettings, given["train"], "train")
    maps = _changed(track.maps, MapSettings, given["maps"], "maps")
    return replace(track, training=training, maps=maps)


def _deviations(usual: Track, track: Track) -> dict[str, Any]:
    """What ``--set`` changed in training and maps."""
    sections = {"train": (usual.training, track.training), "maps": (usual.maps, track.maps)}
    return {
        f"{section}.{name}": value
        for section, (before, after) in sections.items()
        for name, value in vars(after).items()
        if value != vars(before)[name]
    }


def _with_shifts(settings: EvaluationSettings, asked: tuple[str, ...] | None) -> EvaluationSettings:
    chosen = settings.shifts if asked is None else shifts.names() if asked == ("all",) else asked
    for name in chosen:
        shifts.get(name)
    return replace(settings, shifts=tuple(dict.fromkeys(chosen)))


def _changed(current: Any, kind: type[Any], given: Mapping[str, str], section: str) -> Any:
    values = parse_options(f"--set {section}", vars(current), given)
    return settings_from(kind, values, f"--set {section}")
