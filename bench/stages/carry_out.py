"""Doing what stages say: a recipe is a fold of `advance` over its stages."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from architectures.contract import Architecture
from bench.machine.macs import ConvolutionCounter
from bench.machine.process import kept_process
from bench.machine.randomness import generator
from bench.stages.learn_mask import learn_mask
from bench.stages.loop import Progress
from bench.stages.train import train
from bench.stages.workspace import Validation, Workspace
from bench.store.curve import point_at
from bench.store.keys import Context, stage_key
from bench.store.state import Spent, StageCost, State
from bench.store.store import Store
from pruners import Given, LearnMask, Mask, Prune, Rewind, Stage, Train, Transform, kept_count, pruners
from pruners.contract import identities_of
from pruners.granularity import granularity_of
from pruners.mask import growing_counts, round_counts
from pruners.scoring import scores_by
from pruners.stages import values_of
from registries import suite


@dataclass(frozen=True)
class Outcome:
    """The end of a recipe.

    Attributes
    ----------
    state : State
    costs : tuple of StageCost
    key : str
        Of the last stage: equal keys, equal networks.
    """

    state: State
    costs: tuple[StageCost, ...]
    key: str


Visited = Mapping[int, Mapping[str, Tensor]]
"""Weights at nominal steps, to rewind to: at the first training that stopped there."""


def run_recipe(
    stages: Sequence[Stage],
    workspace: Workspace,
    context: Context,
    store: Store,
    fresh: bool,
    say: Callable[[str], None],
) -> Outcome:
    """Carry out stages, each once: what the store holds is reused, what was interrupted is continued.

    Parameters
    ----------
    fresh : bool
        Compute everything anew.
    say : callable
        Told what happens, one line each.
    """
    state = State.of(workspace.initial_model(), groups=workspace.groups)
    visited, order = {0: state.weights}, tuple(state.mask)
    key, costs = context.key, []
    for stage in stages:
        key = stage_key(key, stage, identities_of(stage))
        if fresh:
            store.drop_checkpoint(key)
        known = None if fresh else store.load(key)
        if known:
            state, cost = State(known[0].weights, known[0].mask.in_order_of(order)), known[1]
            say(f"{stage}: from the store")
        else:
            store.begin(key)
            with kept_process(f"'{stage}'"):
                state, cost = advance(state, stage, workspace, visited, _progress(store, key, stage, say))
            store.save(key, state, cost, {**values_of(stage), "sources": suite.sources().fingerprint})
        remember(visited, stage, state)
        costs.append(cost)
    return Outcome(state, tuple(costs), key)


def remember(visited: dict[int, Mapping[str, Tensor]], stage: Stage, state: State) -> None:
    """Keep the weights of a step that a stage is the first to reach."""
    if isinstance(stage, Train | Given):
        visited.setdefault(stage.stop if isinstance(stage, Train) else stage.steps, state.weights)


def advance(
    state: State, stage: Stage, workspace: Workspace, visited: Visited, progress: Progress
) -> tuple[State, StageCost]:
    """Carry out one stage."""
    if isinstance(stage, Rewind):
        return State(visited[stage.to], state.mask), StageCost(str(stage))
    if isinstance(stage, Transform):
        return _transform(state, stage, workspace), StageCost(str(stage))
    if isinstance(stage, Given):
        return _given(state, workspace), StageCost(str(stage), stage.steps, round(stage.steps * workspace.step_macs))
    model = workspace.model(state)
    if isinstance(stage, Prune):
        return _prune(state, stage, model, workspace)
    if isinstance(stage, LearnMask):
        mask, spent = learn_mask(model, state.mask, stage, workspace, progress)
    else:
        mask, spent = train(model, state.mask, stage, workspace, progress)
        if stage.stop == workspace.training.steps:  # our own diagnostic, which is not billed
            fit = workspace.fit(model, _validated(spent, stage))
            spent = replace(spent, findings={**spent.findings, **fit})
    return State.of(model, mask), StageCost.of(stage, spent)


def _validated(spent: Spent, stage: Train) -> Validation | None:
    """Scores of the weights that a training ended with, where its curve has them."""
    point = point_at(spent.curve, round(spent.findings.get("chosen_step", stage.stop)) - 1)
    if point is None or point.validation_loss is None or point.validation_psnr is None:
        return None
    return Validation(point.validation_loss, point.validation_psnr, 0)


def _prune(state: State, stage: Prune, model: Architecture, workspace: Workspace) -> tuple[State, StageCost]:
    begun = time.monotonic()
    with ConvolutionCounter() as counter:
        mask, drawn = scored(state.mask, stage, model, workspace)
    cost = StageCost(str(stage), 0, counter.macs, time.monotonic() - begun)
    if drawn:  # the second mask is ours to know, and not billed
        second, _ = scored(state.mask, stage, model, workspace, second=True)
        cost = cost.finding(overlap=mask.overlap(second))
    return State(state.weights, mask), cost


def scored(
    mask: Mask, stage: Prune, model: Architecture, workspace: Workspace, second: bool = False
) -> tuple[Mask, int]:
    """The mask after all rounds of scoring, and how many batches that took.

    Parameters
    ----------
    mask : Mask
        What is kept before.
    stage : Prune
    model : Architecture
    workspace : Workspace
    second : bool
        On the batches that come after.
    """
    within, drawn = mask, 0
    counts = growing_counts if pruners.get(stage.score).growing else round_counts
    for number, keep in enumerate(counts(mask.kept, kept_count(mask.total, stage.sparsity), stage.rounds)):
        round_ = f" {number}" if number else ""
        problem = workspace.problem(model, mask, f"{stage.score}{round_}", f"scoring{round_}")
        if second:
            problem.use_next_batches()
        scores = scores_by(stage.score, problem, stage.options)
        if stage.lowest:
            scores = {name: -score for name, score in scores.items()}
        granularity = granularity_of(pruners.get(stage.score))
        gates = granularity.gates(problem.channels(), within if stage.revives else mask)
        mask = gates.select(scores, keep, stage.scope)
        drawn += problem.drawn
    return mask, drawn


def _transform(state: State, stage: Transform, workspace: Workspace) -> State:
    draw = generator(workspace.seed, "control", stage.control)
    if stage.control == "reinit":
        return State.of(workspace.initial_model("new initial weights"), state.mask)
    mask = granularity_of(stage).controlled(stage.control, state.mask, workspace.channels, draw)
    return State(state.weights, mask)


def _given(state: State, workspace: Workspace) -> State:
    return State(workspace.given, state.mask)


def _progress(store: Store, key: str, stage: Stage, say: Callable[[str], None]) -> Progress:
    found = store.load_checkpoint(key)
    if found:
        say(f"{stage}: continues from step {found.step}")
    return Progress(found, lambda checkpoint: store.save_checkpoint(key, checkpoint))
