"""How a pruner is registered, as a score function or a recipe of stages, and what its stages tell about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

from pruners.entries import GRANULARITIES, TIMINGS, WEIGHT, Plan, PrunerEntry, Recipe, pruners
from pruners.gradual import Gradual
from pruners.granularity import granularity_of
from pruners.problem import Scores
from pruners.stages import (
    Given,
    LearnMask,
    MaskUpdate,
    Prune,
    Rewind,
    Stage,
    Train,
    Transform,
    changes_mask,
)
from registries import Identity, RequestError, identify, options_of
from registries.options import Option, choices_of
from registries.registry import key_of, summary_of


def pruner(
    *,
    timings: tuple[str, ...],
    version: int,
    source: str,
    uses_data: bool = True,
    uses_weights: bool = True,
    rounds: int = 1,
    revives: bool = False,
    scope: str = "global",
    builds_on: tuple[str, ...] = (),
    granularity: str = WEIGHT,
    growing: bool = False,
) -> Callable[[Callable[..., Scores]], Callable[..., Scores]]:
    """Register a score function ``(problem, **options) -> {name: score}``; the highest scores are kept.

    With ``granularity="channel"`` names are those of `Problem.channels`, and a score is a vector of its channels.
    """

    def register(score: Callable[..., Scores]) -> Callable[..., Scores]:
        name = key_of(score)

        def stages(timing: str, plan: Plan, **options: Option) -> tuple[Stage, ...]:
            return score_recipe(name, timing, plan, options, revives)

        _add(
            score,
            stages,
            score=score,
            timings=timings,
            version=version,
            source=source,
            uses_data=uses_data,
            uses_weights=uses_weights,
            rounds=rounds,
            in_rounds=True,
            revives=revives,
            scope=scope,
            builds_on=builds_on,
            granularity=granularity,
            growing=growing,
        )
        return score

    return register


def recipe(
    *,
    timings: tuple[str, ...],
    version: int,
    source: str,
    scope: str = "global",
    granularity: str = WEIGHT,
    rounds: int | None = None,
) -> Callable[[Recipe], Recipe]:
    """Register a recipe ``(timing, plan, **options) -> (stage, …)``.

    With ``rounds``, their default, it finds its mask in ``plan.rounds`` rounds, except while training.
    """

    def register(stages: Recipe) -> Recipe:
        _add(
            stages,
            stages,
            score=None,
            timings=timings,
            version=version,
            source=source,
            uses_data=False,
            uses_weights=False,
            rounds=rounds or 1,
            in_rounds=rounds is not None,
            revives=False,
            scope=scope,
            builds_on=(),
            granularity=granularity,
            growing=False,
        )
        return stages

    return register


def score_recipe(
    score: str, timing: str, plan: Plan, options: Mapping[str, Option], revives: bool = False
) -> tuple[Stage, ...]:
    """The stages of a score-based pruner.

    At-init: score θ₀, prune, train T. While: train T, pruned on a cubic schedule (Zhu & Gupta 2017, arXiv:1710.01878)
    with fresh scores, final by 0.75 T. After: train T, score, prune, fine-tune the last quarter of the schedule.
    """
    values = tuple(sorted(options.items()))
    prune = Prune(score, plan.sparsity, plan.scope, values, plan.rounds, revives)
    if timing == "at-init":
        return (prune, Train(0, plan.steps))
    if timing == "while":
        return (Train(0, plan.steps, Gradual.over(plan, score, values)),)
    return (Train(0, plan.steps), prune, fine_tuning(plan))


def fine_tuning(plan: Plan) -> Train:
    """The last quarter of the schedule once more."""
    return Train(plan.steps - plan.steps // 4, plan.steps)


def checked(name: str, stages: object, granularity: str = WEIGHT) -> tuple[Stage, ...]:
    """The stages of a recipe of this granularity, if they can be carried out.

    Raises
    ------
    RequestError
        Naming the pruner and what is wrong with its recipe.
    """
    where = f"pruner '{name}': its recipe"
    if not isinstance(stages, tuple) or not all(isinstance(stage, Stage) for stage in stages):
        raise RequestError(f"{where} gives no tuple of stages")
    if not stages or not isinstance(stages[-1], Train):
        raise RequestError(f"{where} does not end in a training")
    reached = {0}
    for stage in stages:
        if isinstance(stage, Rewind) and stage.to not in reached:
            raise RequestError(f"{where} rewinds to step {stage.to}, where no training stopped before")
        if isinstance(stage, Train):
            reached.add(stage.stop)
            if stage.update is not None and not (isinstance(stage.update, MaskUpdate) and is_dataclass(stage.update)):
                raise RequestError(f"{where} has a mask update that is no dataclass with version, due and a call")
        for score in scores_of(stage):
            if pruners.get(score).score is None:
                raise RequestError(f"{where} prunes by '{score}', which gives no scores")
        others = [pruners.get(score).granularity for score in scores_of(stage)]
        if isinstance(stage, LearnMask):
            others = [granularity_of(stage).name]
        if any(other != granularity for other in others):
            raise RequestError(f"{where} is registered for each {granularity}, and '{stage}' for each {others[0]}")
    return stages


def what_mask_has_seen(stages: Sequence[Stage]) -> str:
    """What the mask at the end of a recipe depends on: ``nothing``, ``data`` or ``trained weights``."""
    if any(isinstance(stage, Transform) and stage.control == "random-layerwise" for stage in stages):
        return "nothing"
    last = max((i for i, stage in enumerate(stages) if changes_mask(stage)), default=-1)
    found, trained = "nothing", False
    for stage in stages[: last + 1]:
        trained = trained or isinstance(stage, Train | Given)
        entries = [pruners.get(name) for name in scores_of(stage)]
        if isinstance(stage, LearnMask):
            found = "trained weights" if trained or stage.joint else max(found, "data", key=_SEEN.index)
        elif isinstance(stage, Train) and stage.update is not None and not entries:
            found = "trained weights"
        for entry in entries:
            seen = "trained weights" if trained and entry.uses_weights else "data" if entry.uses_data else "nothing"
            found = max(found, seen, key=_SEEN.index)
    return found


RESERVED = frozenset({"rounds", "scope", "groups"})
_SEEN = ("nothing", "data", "trained weights")


def scores_of(stage: Stage) -> tuple[str, ...]:
    """Names of the registered pruners whose scores a stage uses."""
    if isinstance(stage, Prune):
        return (stage.score,)
    score = getattr(stage.update, "score", None) if isinstance(stage, Train) else None
    return (score,) if isinstance(score, str) else ()


def identities_of(stage: Stage) -> tuple[Identity, ...]:
    """Whose code a stage runs besides the suite's own: scores, and a mask update from elsewhere."""
    names = [part for name in scores_of(stage) for part in (name, *pruners.get(name).builds_on)]
    found = [pruners.get(name).identity for name in names]
    if isinstance(stage, Train) and stage.update is not None:
        found.append(identify(type(stage.update).__name__, stage.update.version, type(stage.update)))
    return tuple(found)


def _add(code: Callable[..., Any], stages: Recipe, *, timings: tuple[str, ...], version: int, **values: Any) -> None:
    name = key_of(code)
    unknown = set(timings) - set(TIMINGS)
    if unknown:
        raise RequestError(f"pruner '{name}' declares unknown timings {sorted(unknown)}: use {TIMINGS}")
    if values["granularity"] not in GRANULARITIES:
        raise RequestError(f"pruner '{name}': granularity '{values['granularity']}' is none of {GRANULARITIES}")
    options, choices = options_of(code), choices_of(code)
    taken = sorted(RESERVED.intersection(options))
    if taken:
        raise RequestError(f"pruner '{name}': '{taken[0]}' is an option of every pruner; call the parameter otherwise")
    for option, default in options.items():
        if not isinstance(default, bool | int | float | str):
            raise RequestError(f"pruner '{name}': the default of '{option}' is neither truth, number nor text")
    pruners.add(
        PrunerEntry(
            name=name,
            summary=summary_of(code),
            timings=timings,
            recipe=stages,
            options=options,
            choices=choices,
            identity=identify(name, version, code),
            **values,
        )
    )
