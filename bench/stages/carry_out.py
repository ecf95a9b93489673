"""Doing what stages say: a recipe is a fold of `advance` over its stages."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from architectures import build
from architectures.contract import Architecture, Variant
from architectures.tuning import use_bfloat16_
from bench.machine.macs import ConvolutionCounter
from bench.machine.randomness import generator
from bench.stages.batches import TrainingData
from bench.stages.learn_mask import learn_mask
from bench.stages.loop import Progress
from bench.stages.losses import TrainingLoss, mean_psnr
from bench.stages.problem import TrainingProblem
from bench.stages.train import Validation, train
from bench.store.keys import Context, stage_key
from bench.store.state import StageCost, State
from bench.store.store import Store
from bench.tracks.settings import TrainingSettings
from datasets.errors import DataError
from pruners import Given, LearnMask, Mask, Prune, Rewind, Stage, Train, Transform, kept_count, pruners
from pruners.channels import Channels
from pruners.contract import identities_of
from pruners.controls import random_layerwise, shuffled
from pruners.coupling import coupled
from pruners.gates import gates_of
from pruners.mask import growing_counts, round_counts
from pruners.scoring import scores_by
from pruners.stages import TransformChannels, values_of


@dataclass(frozen=True)
class Workspace:
    """What stages work with.

    Attributes
    ----------
    architecture, size : str
    width : float
        Factor of the numbers of channels.
    variant : Variant
        What deviates from the network that the architecture declares.
    data : TrainingData
    validation : TrainingData or None
        Of the validation patients, if there are any.
    training : TrainingSettings
    groups : str
        Which weights are prunable: one group of the architecture, or ``all``.
    seed : int
    device : torch.device
    given : mapping of str to Tensor
        Weights of a network somebody has; empty if none are given.
    channels : Channels
        Of the network, where the pruner removes whole ones; otherwise none.
    """

    architecture: str
    size: str
    width: float
    variant: Variant
    data: TrainingData
    validation: TrainingData | None
    training: TrainingSettings
    groups: str
    seed: int
    device: torch.device
    given: Mapping[str, Tensor]
    channels: Channels

    def initial_model(self, purpose: str = "initial weights") -> Architecture:
        """The network at θ₀, which depends on architecture, size, variant and seed alone."""
        draw = generator(self.seed, purpose, self.architecture, self.size)
        return build(self.architecture, self.size, draw, self.width, self.variant)

    def model(self, state: State) -> Architecture:
        """The network with the weights of a state, unmasked, on the device, in the precision of the training."""
        model = self.initial_model()
        model.load_state_dict(dict(state.weights))
        model = model.to(self.device)
        if self.training.precision == "bf16":
            use_bfloat16_(model)
        return model

    def problem(self, model: Architecture, mask: Mask, use: str, purpose: str) -> TrainingProblem:
        """What a pruner sees, on a copy of the model; each use has its own generator, each purpose its own batches."""
        own = self.model(State.of(model, mask)).requires_grad_(False)
        draw = generator(self.seed, "pruning", use)
        loss = TrainingLoss(self.training.loss)
        return TrainingProblem(own, mask, self.data, loss, draw, self.device, self.channels, purpose)

    def with_channels(self) -> "Workspace":
        """The same, knowing the channels of the network."""
        model = self.initial_model()
        weights = {name: part.weight.detach() for name, part in model.prunable(self.groups).items()}
        return replace(self, channels=coupled(model.networks(), weights))

    def validate(self, model: Architecture) -> Validation | None:
        """Scores on all slices of the validation patients, always with the same sampling masks; None without any."""
        if self.validation is None:
            return None
        return self._scored(model, self.validation, self.validation.epoch("validation"))

    def fit(self, model: Architecture) -> dict[str, float]:
        """Quality on validation patients, and the loss on them and on as many training batches; none without any."""
        if self.validation is None:
            return {}
        held_out = self._scored(model, self.validation, self.validation.epoch("validation"))
        batches = min(self.validation.epoch("validation"), self.data.epoch("validation"))
        seen = self._scored(model, self.data, batches)
        return {"psnr_at_end": held_out.psnr, "validation_loss": held_out.loss, "training_loss": seen.loss}

    @torch.no_grad()
    def _scored(self, model: Architecture, data: TrainingData, batches: int) -> Validation:
        loss_of, losses, qualities = TrainingLoss(self.training.loss), [], []
        with ConvolutionCounter(model) as counter:
            for batch in data.batches(batches, "validation"):
                samples = batch.to(self.device)
                image = loss_of.image(model, samples)
                losses.append(float(loss_of.of(image, samples)))
                qualities.append(mean_psnr(image, samples))
        return Validation(math.fsum(losses) / len(losses), math.fsum(qualities) / len(qualities), counter.macs)

    @cached_property
    def step_macs(self) -> float:
        """Executed multiply–accumulates of one dense training step of the full-width network, mean over an epoch."""
        model = build(self.architecture, self.size, generator(0, "cost"), variant=self.variant).to(self.device)
        loss_of, macs = TrainingLoss(self.training.loss), []
        by_shape: dict[torch.Size, int] = {}
        for batch in self.data.batches(self.data.epoch("training"), "training"):
            if batch.kspace.shape not in by_shape:
                samples = batch.to(self.device)
                with ConvolutionCounter(model) as counter:
                    loss_of(model, samples).backward()  # type: ignore[no-untyped-call]
                by_shape[batch.kspace.shape] = counter.macs
            macs.append(by_shape[batch.kspace.shape])
        return sum(macs) / len(macs)


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
    visited = {0: state.weights}
    key, costs = context.key, []
    for stage in stages:
        key = stage_key(key, stage, identities_of(stage))
        if fresh:
            store.drop_checkpoint(key)
        known = None if fresh else store.load(key)
        if known:
            state, cost = known
            say(f"{stage}: from the store")
        else:
            store.begin(key)
            state, cost = advance(state, stage, workspace, visited, _progress(store, key, stage, say))
            store.save(key, state, cost, values_of(stage))
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
        mask, spent = learn_mask(
            model,
            state.mask,
            stage,
            workspace.training,
            workspace.data,
            workspace.seed,
            workspace.device,
            progress,
            workspace.problem,
        )
    else:
        mask, spent = train(
            model,
            state.mask,
            stage,
            workspace.training,
            workspace.data,
            workspace.device,
            progress,
            workspace.problem,
            workspace.validate,
        )
        if stage.stop == workspace.training.steps:  # our own diagnostic, which is not billed
            spent = replace(spent, findings={**spent.findings, **workspace.fit(model)})
    return State.of(model, mask), StageCost.of(stage, spent)


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
        gates = gates_of(stage.score, problem, within if stage.revives else mask)
        mask = gates.select(scores, keep, stage.scope)
        drawn += problem.drawn
    return mask, drawn


def _transform(state: State, stage: Transform, workspace: Workspace) -> State:
    draw = generator(workspace.seed, "control", stage.control)
    if stage.control == "reinit":
        return State.of(workspace.initial_model("new initial weights"), state.mask)
    if isinstance(stage, TransformChannels):
        channels, mask = workspace.channels, state.mask
        if stage.control == "shuffle":
            return State(state.weights, channels.shuffled(mask, draw))
        full = Mask.full(mask)
        return State(state.weights, channels.select(channels.random_scores(draw), mask.kept, "layer-wise", full))
    change = {"shuffle": shuffled, "random-layerwise": random_layerwise}[stage.control]
    return State(state.weights, change(state.mask, draw))


def _given(state: State, workspace: Workspace) -> State:
    return State(workspace.given, state.mask)


def _progress(store: Store, key: str, stage: Stage, say: Callable[[str], None]) -> Progress:
    try:
        found = store.load_checkpoint(key)
    except DataError as error:
        say(f"{stage}: starts anew: {error}")
        store.drop_checkpoint(key)
        found = None
    if found:
        say(f"{stage}: continues from step {found.step}")
    return Progress(found, lambda checkpoint: store.save_checkpoint(key, checkpoint))
