"""Learning the probability of each weight to be kept (PUN-style), with frozen weights or together with them."""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from architectures import Architecture
from bench.machine.randomness import generator
from bench.stages.curve import validation_points
from bench.stages.loop import Progress, optimise, optimizer_tensors, part, prefixed, restore_optimizer
from bench.stages.losses import TrainingLoss
from bench.stages.problem import TrainingProblem
from bench.stages.train import adam, learning_rate, set_rate
from bench.stages.workspace import Validation, Workspace
from bench.store.state import Spent
from datasets.samples import Samples
from pruners import LearnMask, Mask, kept_count
from pruners.bernoulli import divergence, relaxed_sample, uniform
from pruners.bernoulli import mean_divergence as layer_divergence
from pruners.gates import Gates
from pruners.granularity import granularity_of
from pruners.mask import random_scores
from pruners.paths import last_convolutions

DIAGNOSTIC_BATCHES = 8
RANDOM_MASKS = 5
MEASURED = 10
"""Steps at the start of a search without the divergence, whose gradients give its unit."""
FAR = 3
"""A search has not converged whose mean odds of being kept are further than this factor from those of the density."""


class MaskSearch:
    """Adam on the logits of a Bernoulli mask; jointly, the weights follow their own schedule.

    Jointly, the sample m hardens: (1 − h) m + h · 1[top-s], h rising linearly from 0 to 1, so that the last steps train
    the network that is kept.

    Parameters
    ----------
    model : Architecture
        Its weights are frozen, or trained in place.
    mask : Mask
        What was kept before; only these weights have a logit that counts.
    gates : Gates
        That have a logit: one per weight or one per channel of what was kept.
    stage : LearnMask
    workspace : Workspace
    """

    def __init__(self, model: Architecture, mask: Mask, gates: Gates, stage: LearnMask, workspace: Workspace) -> None:
        settings, device = workspace.training, workspace.device
        self.model = model
        self.purpose = "training" if stage.joint else "mask search"
        self._gates = gates
        self._kept = mask.to(device)
        self._stage = stage
        self._workspace = workspace
        self.gradient_norm = torch.tensor(math.nan)
        self._settings = settings
        self._seed = workspace.seed
        self._device = device
        self._loss = TrainingLoss(settings.loss)
        self._unit = 0.0
        self._measured = min(MEASURED, stage.steps // 2) if stage.kl_unit == "gradient" else 0
        self._weights = {name: model.get_parameter(name) for name in mask}
        self.keep = kept_count(mask.total, stage.sparsity)
        self.prior = min(max(gates.density(stage.sparsity), 1e-6), 1 - 1e-6)
        probability = stage.probability or self.prior
        start = math.log(probability / (1 - probability))
        self._numbers = {name: int(flags.sum()) for name, flags in gates.available.items()}  # no GPU is waited for
        self._available = {name: flags.to(device) for name, flags in gates.available.items()}
        self.logits = {
            name: torch.full(flags.shape, start, device=device, requires_grad=True)
            for name, flags in self._available.items()
        }
        self._trained = adam(model, settings) if stage.joint else None
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(list(self.logits.values()), lr=stage.rate)
        for parameter in model.parameters():
            parameter.requires_grad_(stage.joint)
        model.train()

    def loss(self, samples: Samples, step: int) -> Tensor:
        """Data loss under a sampled mask, plus the divergence in its unit once that is known."""
        noise = generator(self._seed, "mask sample", step)
        sampled = {
            name: relaxed_sample(
                logit,
                uniform(logit.shape, noise).to(self._device, non_blocking=True),
                self.temperature(step),
                self._stage.straight_through,
            )
            for name, logit in self.logits.items()
        }
        if self._stage.joint:
            hardness = (step + 1) / self._stage.steps
            top = {
                name: flags.to(self._device, non_blocking=True)
                for name, flags in self._gates.open_in(self.top()).items()
            }
            sampled = {name: (1 - hardness) * soft + hardness * top[name] for name, soft in sampled.items()}
        factors = self._gates.factors(sampled)
        weights = {name: weight * self._kept[name] * factors[name] for name, weight in self._weights.items()}
        data_loss = self._loss(self.model, samples, weights)
        if step < self._measured:
            return data_loss
        if self._stage.kl_unit == "loss" and not self._unit:
            self._unit = data_loss.item()
        return data_loss + self._stage.kl * self._unit * self.mean_divergence()

    def temperature(self, step: int) -> float:
        """From the first to the last one, geometrically."""
        first, last = self._stage.temperature, self._stage.final_temperature
        return float(first * (last / first) ** (step / max(1, self._stage.steps - 1)))

    def mean_divergence(self) -> Tensor:
        """Mean KL(Bernoulli(p) ‖ Bernoulli(density)) over the gates that may stay open, or of their layers' means."""
        if self._stage.kl_over == "layers":
            parts = [
                number * layer_divergence(self.logits[name], self._available[name], self.prior)
                for name, number in self._numbers.items()
                if number
            ]
        else:
            parts = [(divergence(v, self.prior) * self._available[n]).sum() for n, v in self.logits.items()]
        return torch.stack(parts).sum() / sum(self._numbers.values())

    def mean_probability(self) -> float:
        """Of the gates that may stay open."""
        return float(sum(self._open().tolist()) / sum(self._numbers.values()))

    def density(self) -> Tensor:
        """The same, of which nothing is read."""
        return self._open().sum(dtype=torch.float64) / sum(self._numbers.values())

    def _open(self) -> Tensor:
        """Sum of the probabilities of each layer."""
        return torch.stack([(torch.sigmoid(v.detach()) * self._available[n]).sum() for n, v in self.logits.items()])

    def points(self) -> frozenset[int]:
        """Steps after which it is validated."""
        return validation_points(self._workspace, (0, self._stage.steps))

    @torch.no_grad()
    def validate(self, step: int) -> Validation | None:
        """Scores of the network under the mask that would be found now; None where there is none."""
        if not torch.stack([logit.isfinite().all() for logit in self.logits.values()]).all():
            return None  # the next loss says so
        mask = self.top().to(self._device)
        return self._workspace.validate(self.model, {name: w * mask[name] for name, w in self._weights.items()})

    def move(self, step: int) -> int:
        """Step the logits, and jointly the weights."""
        slopes = [logit.grad for logit in self.logits.values() if logit.grad is not None]
        self.gradient_norm = torch.nn.utils.get_total_norm(slopes)
        if self._stage.kl_unit == "gradient":
            self._scale_slopes(step)
        if self._trained is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._settings.clip)
            set_rate(self._trained, learning_rate(self._settings, step))
            self._trained.step()
            self._trained.zero_grad()
        self.optimizer.step()
        return 0

    def _scale_slopes(self, step: int) -> None:
        """Bring derivatives by the logits to a mean magnitude of about 1, where the epsilon of Adam is nothing."""
        slopes = [logit.grad for logit in self.logits.values() if logit.grad is not None]
        number = sum(slope.numel() for slope in slopes)
        unit = self._unit
        if step < self._measured:
            unit = sum(torch.stack([slope.abs().sum(dtype=torch.float64) for slope in slopes]).tolist())
            self._unit += unit / self._measured
        if unit:
            for slope in slopes:
                slope.mul_(number / unit)

    def top(self) -> Mask:
        """The mask of the most probable weights (the least probable ones for the control ``invert``)."""
        sign = -1 if self._stage.lowest else 1
        scores = {name: sign * logit.detach().cpu() for name, logit in self.logits.items()}
        return self._gates.select(scores, self.keep, self._stage.scope)

    def tensors(self) -> dict[str, Tensor]:
        """Logits, weights and the states of their optimizers."""
        found = {**prefixed(self.model.state_dict(), "weights."), **prefixed(self.logits, "logits.")}
        if self._trained is not None:
            found |= prefixed(optimizer_tensors(self._trained), "trained.")
        unit = {"unit": torch.tensor(self._unit, dtype=torch.float64)}
        return {**found, **unit, **optimizer_tensors(self.optimizer)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """As `tensors` gave them."""
        self.model.load_state_dict(part(tensors, "weights."))
        with torch.no_grad():
            for name, value in part(tensors, "logits.").items():
                self.logits[name].copy_(value)
        self._unit = float(tensors["unit"])
        restore_optimizer(self.optimizer, tensors)
        if self._trained is not None:
            restore_optimizer(self._trained, part(tensors, "trained."))

    @torch.no_grad()
    def diagnostics(self, problem: TrainingProblem, mask: Mask) -> dict[str, float]:
        """Mean losses on fresh training batches under the soft, the found, random and no mask.

        All with the weights that the search began with, which neither mask was trained for. The random masks keep as
        many weights, in the same scope, out of all there are. A search failed if the found mask is not better than each
        of them; with the control ``invert`` it is not meant to be. It did not converge if the odds of the mean
        probability are more than three times those of the density it was drawn towards, or less than a third of them.
        """
        draw = generator(self._seed, "random masks")
        everything = self._gates.over(Mask.full(mask))
        masks = [mask]
        for _ in range(RANDOM_MASKS):
            masks.append(everything.select(random_scores(everything.available, draw), self.keep, self._stage.scope))
        open_ = self._gates.factors({name: torch.sigmoid(logit) for name, logit in self.logits.items()})
        soft = {name: open_[name] * kept for name, kept in self._kept.items()}
        variants: list[Mapping[str, Tensor]] = [soft, *(found.to(self._device) for found in masks), self._kept]
        totals = [0.0] * len(variants)
        for batch in problem.batches(DIAGNOSTIC_BATCHES):
            for index, variant in enumerate(variants):
                weights = {name: weight * variant[name] for name, weight in problem.weights.items()}
                totals[index] += float(problem.loss(batch, weights)) / DIAGNOSTIC_BATCHES
        probability, nothing_to_choose = self.mean_probability(), mask.kept == mask.total
        soft_loss, hard_loss, *random_losses, unpruned = totals
        return {
            "soft_loss": soft_loss,
            "hard_loss": hard_loss,
            "random_loss": sum(random_losses) / RANDOM_MASKS,
            "lowest_random_loss": min(random_losses),
            "unpruned_loss": unpruned,
            "divergence": self.mean_divergence().item(),
            "divergence_unit": self._unit,
            "mean_probability": probability,
            "density": self.prior,
            "not_converged": float(not (nothing_to_choose or 1 / FAR <= _odds(probability) / _odds(self.prior) <= FAR)),
            "failed": float(not (nothing_to_choose or self._stage.lowest or hard_loss < min(random_losses))),
        }


def _odds(probability: float) -> float:
    return probability / (1 - probability) if probability < 1 else math.inf


def searching(model: Architecture, mask: Mask, stage: LearnMask, workspace: Workspace) -> MaskSearch:
    """A search before its first step."""
    whole = last_convolutions(model.networks()) if stage.protect_last else ()
    gates = granularity_of(stage).gates(workspace.channels, mask, whole)
    return MaskSearch(model, mask, gates, stage, workspace)


def learn_mask(
    model: Architecture, mask: Mask, stage: LearnMask, workspace: Workspace, progress: Progress
) -> tuple[Mask, Spent]:
    """Search for a mask; gives it with what was found out about it. The model's weights change if learned jointly."""
    before = workspace.problem(model, mask, "mask search", "mask diagnostics")
    search = searching(model, mask, stage, workspace)
    spent = optimise(search, (0, stage.steps), workspace.source(search.purpose), progress)
    learned = search.top()
    return learned, replace(spent, findings=search.diagnostics(before, learned))
