"""Doing what stages say: a recipe is a fold of `advance` over its stages."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch

from architectures import build
from architectures.contract import Architecture
from architectures.tuning import use_bfloat16_
from bench.context import Context, stage_key
from bench.cost import ConvolutionCounter
from bench.losses import image_loss
from bench.problem import TrainingProblem
from bench.randomness import generator
from bench.settings import TrainingSettings
from bench.state import StageCost, State
from bench.store import Store
from bench.training import Progress, train
from bench.training_data import TrainingData
from pruners import Mask, Prune, Stage, Train, kept_count, pruners
from registries import Identity


@dataclass(frozen=True)
class Workspace:
    """What stages work with.

    Attributes
    ----------
    architecture, size : str
    data : TrainingData
    training : TrainingSettings
    groups : str
        Which weights are prunable: one group of the architecture, or ``all``.
    seed : int
    device : torch.device
    """

    architecture: str
    size: str
    data: TrainingData
    training: TrainingSettings
    groups: str
    seed: int
    device: torch.device

    def initial_model(self) -> Architecture:
        """The network at θ₀, which depends on architecture, size and seed alone."""
        return build(
            self.architecture, self.size, generator(self.seed, "initial weights", self.architecture, self.size)
        )

    def model(self, state: State) -> Architecture:
        """The network with the weights of a state, unmasked, on the device, in the precision of the training."""
        model = self.initial_model()
        model.load_state_dict(dict(state.weights))
        model = model.to(self.device)
        if self.training.precision == "bf16":
            use_bfloat16_(model)
        return model


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
    key, costs = context.key, []
    for stage in stages:
        key = stage_key(key, stage, entry_of(stage))
        if fresh:
            store.drop_checkpoint(key)
        known = None if fresh else store.load(key)
        if known:
            state, cost = known
            say(f"{stage}: from the store")
        else:
            state, cost = advance(state, stage, workspace, _progress(store, key, stage, say))
            store.save(key, state, cost, {"kind": type(stage).__name__, **asdict(stage)})
        costs.append(cost)
    return Outcome(state, tuple(costs), key)


def advance(state: State, stage: Stage, workspace: Workspace, progress: Progress) -> tuple[State, StageCost]:
    """Carry out one stage."""
    model = workspace.model(state)
    if isinstance(stage, Train):
        spent = train(model, state.mask, stage, workspace.training, workspace.data, workspace.device, progress)
        return State.of(model, state.mask), StageCost(str(stage), spent.steps, spent.macs, spent.seconds)
    return _prune(state, stage, model, workspace)


def entry_of(stage: Stage) -> Identity | None:
    """Whose code a stage runs besides the suite's own."""
    return pruners.get(stage.score).identity if isinstance(stage, Prune) else None


def _prune(state: State, stage: Prune, model: Architecture, workspace: Workspace) -> tuple[State, StageCost]:
    entry = pruners.get(stage.score)
    if entry.score is None:
        raise ValueError(f"pruner '{entry.name}' gives no scores")
    problem = TrainingProblem(
        model,
        state.mask,
        workspace.data,
        image_loss(workspace.training.loss),
        generator(workspace.seed, "pruning", stage.score),
        workspace.device,
    )
    begun = time.monotonic()
    with ConvolutionCounter(model) as counter:
        scores = entry.score(problem, **dict(stage.options))
    if entry.uses_data and all(bool((score == 0).all()) for score in scores.values()):
        raise ArithmeticError(f"pruner '{entry.name}' scores every weight zero: there is nothing to choose by")
    keep = kept_count(state.mask.total, stage.sparsity)
    mask = Mask.from_scores({n: s.cpu() for n, s in scores.items()}, keep, stage.scope, within=state.mask)
    cost = StageCost(str(stage), 0, counter.macs, time.monotonic() - begun)
    return State(state.weights, mask), cost


def _progress(store: Store, key: str, stage: Stage, say: Callable[[str], None]) -> Progress:
    found = store.load_checkpoint(key)
    if found:
        say(f"{stage}: continues from step {found.step}")
    return Progress(found, lambda checkpoint: store.save_checkpoint(key, checkpoint))
