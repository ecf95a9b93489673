"""What a recipe will cost before it is carried out, and the T that makes it cost one dense training."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from bench.machine.macs import ConvolutionCounter, gradient_macs
from bench.stages.problem import TrainingProblem
from bench.stages.workspace import Workspace
from bench.store.state import State
from bench.trials.request import Resolved
from datasets.samples import Samples
from pruners import Given, LearnMask, Prune, Stage, Train, pruners
from pruners.channels import Channels
from pruners.gradual import Gradual
from pruners.granularity import Granularity, granularity_of
from registries import RequestError


@dataclass(frozen=True)
class Estimate:
    """Expected cost of a stage.

    Attributes
    ----------
    stage : Stage
    steps : int
        Optimizer steps.
    relative : float
        In steps of a dense training.
    """

    stage: Stage
    steps: int
    relative: float


class Estimator:
    """Counts a dense step and one scoring of each kind once, on this network and these data.

    Parameters
    ----------
    workspace : Workspace
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._scorings: dict[tuple[str, tuple[tuple[str, object], ...]], float] = {}

    def estimate(self, stage: Stage) -> Estimate:
        """Expected cost of a stage; what mask updates of plug-ins compute besides gradients is not foreseen."""
        if isinstance(stage, Prune):
            return Estimate(stage, 0, stage.rounds * self._scoring(stage.score, stage.options))
        if isinstance(stage, LearnMask) and not (stage.joint or granularity_of(stage).slopes_of_weights):
            return Estimate(stage, stage.steps, stage.steps * self._of_gates(granularity_of(stage)))
        if isinstance(stage, LearnMask | Given):
            return Estimate(stage, stage.steps, stage.steps * self._of_full_width())
        if not isinstance(stage, Train):
            return Estimate(stage, 0, 0.0)
        steps = stage.stop - stage.start
        relative = steps * self._of_full_width() + stage.choices * self._validation()
        if isinstance(stage.update, Gradual):
            updates = sum(stage.start <= step < stage.stop for step in stage.update.steps)
            relative += updates * self._scoring(stage.update.score, stage.update.options)
        return Estimate(stage, steps, relative)

    def _of_full_width(self) -> float:
        """Cost of a step of this network in steps of the full-width one."""
        if self._workspace.width == 1:
            return 1.0
        own = "own step", ()
        if own not in self._scorings:
            problem = self._problem()
            weights = {n: w.clone().requires_grad_() for n, w in problem.weights.items()}
            loss = partial(problem.loss, self._workspace.source("training").batch(0), weights)
            self._scorings[own] = gradient_macs(loss, problem.model) / self._workspace.step_macs
        return self._scorings[own]

    def _of_gates(self, granularity: Granularity) -> float:
        """Cost of a step that differentiates by gates alone, in dense steps."""
        own = "gates", ()
        if own not in self._scorings:
            problem = self._problem()
            gates = granularity.gates(problem.channels(), problem.mask)
            device = self._workspace.device
            factors = gates.factors(
                {n: torch.ones(flags.shape, device=device, requires_grad=True) for n, flags in gates.available.items()}
            )
            weights = {name: weight * factors[name] for name, weight in problem.weights.items()}
            loss = partial(problem.loss, self._workspace.source("training").batch(0), weights)
            self._scorings[own] = gradient_macs(loss) / self._workspace.step_macs
        return self._scorings[own]

    def _validation(self) -> float:
        key = "validation", ()
        if key not in self._scorings:
            self._scorings[key] = self._workspace.validation_macs / self._workspace.step_macs
        return self._scorings[key]

    def _scoring(self, score: str, options: tuple[tuple[str, object], ...]) -> float:
        key = score, options
        if key not in self._scorings:
            entry, one = pruners.get(score), _OneBatch(self._problem())
            with ConvolutionCounter() as counter:
                try:
                    if entry.score is not None:
                        entry.score(one, **dict(options))
                except Exception as error:  # whatever somebody's score does
                    raise RequestError(f"pruner '{score}': its score fails: {type(error).__name__}: {error}") from None
            self._scorings[key] = counter.macs * max(1, one.asked) / self._workspace.step_macs
        return self._scorings[key]

    def _problem(self) -> TrainingProblem:
        model = self._workspace.initial_model().to(self._workspace.device)
        state = State.of(model, groups=self._workspace.groups)
        return self._workspace.problem(model, state.mask, "estimate", "scoring")


class _OneBatch:
    """A problem that hands out one batch where many are asked for, and remembers how many that were."""

    def __init__(self, problem: TrainingProblem) -> None:
        self._problem = problem
        self.model, self.weights, self.mask = problem.model, problem.weights, problem.mask
        self.generator = problem.generator
        self.asked = 0

    def networks(self) -> Mapping[str, nn.Module]:
        return self._problem.networks()

    def channels(self) -> Channels:
        return self._problem.channels()

    def batches(self, number: int) -> Iterator[Samples]:
        self.asked = max(self.asked, number)
        return self._problem.batches(min(number, 1))

    def loss(self, batch: Samples, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        return self._problem.loss(batch, weights)

    def curved_loss(self, batch: Samples, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        return self._problem.curved_loss(batch, weights)


def within_budget(resolved: Resolved, estimator: Estimator) -> Resolved:
    """Under `equal-total` the largest T whose recipe costs at most one dense training of the track's T.

    Raises
    ------
    RequestError
        If finding the mask alone costs more.
    """
    if resolved.trial.protocol == "standard":
        return resolved

    def cost(steps: int) -> float:
        return sum(estimator.estimate(stage).relative for stage in resolved.with_steps(steps).stages)

    budget = resolved.budget
    low, high = 0, budget + 1
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= budget + 1e-6 else (low, middle)
    if low < 1:
        raise RequestError(
            f"protocol equal-total: '{resolved.trial.row}' costs {cost(1):.1f} dense steps before it trains for more "
            f"than one, and the budget is {budget}: use fewer batches or rounds, or the protocol standard"
        )
    return resolved.with_steps(low)
