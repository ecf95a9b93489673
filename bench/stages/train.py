"""Training the weights, on an interval of one nominal schedule."""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from architectures import Architecture
from architectures.launches import few_launches
from bench.machine.macs import ConvolutionCounter
from bench.stages.curve import validation_points
from bench.stages.loop import Progress, optimise, optimizer_tensors, part, prefixed, restore_optimizer
from bench.stages.losses import TrainingLoss
from bench.stages.workspace import Validation, Workspace
from bench.store.curve import point_at
from bench.store.state import Spent, State
from bench.tracks.settings import TrainingSettings
from datasets.samples import Samples
from pruners import Mask, Moment, Train

GATE = 0.8
"""Of T: how much a dense network still gains afterwards says whether T is enough."""


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """Linear warm-up, then a cosine to zero at T (Loshchilov & Hutter 2017)."""
    warm_up = max(1, round(settings.warm_up * settings.steps))
    if step < warm_up:
        return settings.learning_rate * (step + 1) / warm_up
    fraction = (step - warm_up) / max(1, settings.steps - warm_up)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * fraction))


class WeightTraining:
    """Adam on all weights under a mask: mask update on raw gradients, masked gradients, clip, step, masked weights.

    Parameters
    ----------
    model : Architecture
        Trained in place.
    mask : Mask
        At the start; the mask as it is now afterwards.
    stage : Train
    workspace : Workspace

    Attributes
    ----------
    gate : int or None
        The step before the last fifth of T, where a dense network is trained to the end.
    """

    purpose = "training"

    def __init__(self, model: Architecture, mask: Mask, stage: Train, workspace: Workspace) -> None:
        settings = workspace.training
        self.model = model
        self.mask = mask.to(workspace.device)
        self.findings: dict[str, float] = {}
        self.gradient_norm = torch.tensor(math.nan)
        self.optimizer = adam(model, settings)
        self._weights = {name: model.get_parameter(name) for name in mask}
        self._stage = stage
        self._settings = settings
        self._loss = TrainingLoss(settings.loss)
        self._workspace = workspace
        self._best: dict[str, Tensor] = {}
        self._best_loss = math.inf
        self._validated: Validation | None = None
        span = stage.stop - stage.start
        plain = stage.update is None and not stage.choices and mask.kept == mask.total
        gate = max(0, round(GATE * settings.steps) - 1)
        self.gate = gate if plain and span == settings.steps else None
        self._choices = frozenset(
            stage.start + span * number // stage.choices - 1 for number in range(1, stage.choices + 1)
        )
        self.mask.apply_(self._weights)
        self._factors = self._factors_of(self.mask)
        self._density = mask.density
        model.train()

    def loss(self, samples: Samples, step: int) -> Tensor:
        """Training loss."""
        return self._loss(self.model, samples)

    def move(self, step: int) -> int:
        """Update the mask where it is due, then the weights."""
        macs = self._update_mask(step) if self._stage.update and self._stage.update.due(step) else 0
        self._mask_gradients()
        self.gradient_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._settings.clip)
        set_rate(self.optimizer, learning_rate(self._settings, step))
        self.optimizer.step()
        self._mask_weights()
        if step in self._choices:
            macs += self._choose(step)
        return macs

    def density(self) -> float:
        """Fraction of the prunable weights that is kept."""
        return self._density

    def points(self) -> frozenset[int]:
        """Steps after which it is validated."""
        return validation_points(self._workspace, (self._stage.start, self._stage.stop), self.gate) | self._choices

    def validate(self, step: int) -> Validation | None:
        """Scores of the network as it is now; where one of the best steps was looked for they are known."""
        return self._validated if step in self._choices else self._workspace.validate(self.model)

    def finish(self) -> None:
        """Go back to the best step, if one was to be chosen."""
        if self._best:
            self.model.load_state_dict(self._best)

    def tensors(self) -> dict[str, Tensor]:
        """Weights, mask, optimizer state, and the best weights so far."""
        found = {**prefixed(self.model.state_dict(), "weights."), **prefixed(self.mask, "mask.")}
        best = {
            **prefixed(self._best, "best."),
            **({"best_loss": torch.tensor(self._best_loss, dtype=torch.float64)} if self._best else {}),
        }
        findings = {
            f"finding.{name}": torch.tensor(value, dtype=torch.float64) for name, value in self.findings.items()
        }
        return {**found, **best, **findings, **optimizer_tensors(self.optimizer)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """As `tensors` gave them."""
        self.model.load_state_dict(part(tensors, "weights."))
        mask = Mask(part(tensors, "mask.")).in_order_of(self.mask)
        self._density, self.mask = mask.density, mask.to(self.mask.device)
        self._factors = self._factors_of(self.mask)
        self._best = part(tensors, "best.")
        self._best_loss = float(tensors["best_loss"]) if self._best else math.inf
        self.findings = {name: float(value) for name, value in part(tensors, "finding.").items()}
        restore_optimizer(self.optimizer, tensors)

    def _update_mask(self, step: int) -> int:
        update = self._stage.update
        if update is None:
            return 0
        gradients = {
            name: torch.zeros_like(weight) if weight.grad is None else weight.grad.detach().clone()
            for name, weight in self._weights.items()
        }

        problem = self._workspace.problem(self.model, self.mask, f"mask update {step}", f"scoring at {step}")
        counter = ConvolutionCounter()
        with counter:
            found = update(Moment(step, problem, gradients)).to(self.mask.device)
        for name, weight in self._weights.items():
            grown = found[name] & ~self.mask[name]
            for value in self.optimizer.state[weight].values():
                if isinstance(value, Tensor) and value.shape == grown.shape:
                    value.masked_fill_(grown, 0)
        self.mask, self._factors, self._density = found, self._factors_of(found), found.density
        return counter.macs

    def _factors_of(self, mask: Mask) -> dict[str, Tensor]:
        """1 where a weight is kept and 0 elsewhere, of the layers that are pruned."""
        weights = self._weights
        return {name: kept.to(weights[name].dtype) for name, kept in mask.items() if not kept.all()}

    def _mask_gradients(self) -> None:
        pairs = [(self._weights[name].grad, factor) for name, factor in self._factors.items()]
        known = [(gradient, factor) for gradient, factor in pairs if gradient is not None]
        if known:
            torch._foreach_mul_([gradient for gradient, _ in known], [factor for _, factor in known])

    @torch.no_grad()
    def _mask_weights(self) -> None:
        if not few_launches(self.mask.device):
            self.mask.apply_(self._weights)
        elif self._factors:
            weights: list[Tensor] = [self._weights[name] for name in self._factors]
            torch._foreach_mul_(weights, list(self._factors.values()))
            torch._foreach_add_(weights, 0.0)  # no negative zeros

    def _choose(self, step: int) -> int:
        found = self._validated = self._workspace.validate(self.model)
        if found is None:
            raise ValueError("there are no validation patients")
        if found.loss < self._best_loss:
            self._best_loss = found.loss
            self._best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
            self.findings["chosen_step"] = step + 1
        return found.macs


def train(
    model: Architecture, mask: Mask, stage: Train, workspace: Workspace, progress: Progress
) -> tuple[Mask, Spent]:
    """Train a model in place; gives the mask at the end. See `WeightTraining`."""
    learner = WeightTraining(model, mask, stage, workspace)
    spent = optimise(learner, (stage.start, stage.stop), workspace.source(learner.purpose), progress)
    learner.finish()
    before = None if learner.gate is None else point_at(spent.curve, learner.gate)
    gate = {} if before is None or before.validation_psnr is None else {"psnr_at_gate": before.validation_psnr}
    return learner.mask.to("cpu"), replace(spent, findings={**learner.findings, **gate})


def dense_training(workspace: Workspace) -> WeightTraining:
    """A dense network of the workspace at θ₀, ready to be trained: what forecasts and measurements take steps of."""
    state = State.of(workspace.initial_model(), groups=workspace.groups)
    return WeightTraining(workspace.model(state), state.mask, Train(0, workspace.training.steps), workspace)


def adam(model: Architecture, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam; decoupled weight decay acts on the prunable weights alone, never on λ, step sizes or biases."""
    decaying = [part.weight for part in model.prunable().values()]
    chosen = {id(weight) for weight in decaying}
    others = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
    groups = [{"params": decaying, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0, fused=few_launches(next(model.parameters()).device))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate
