"""What stages work with: the network, its data and settings, the machine."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from architectures import build
from architectures.contract import Architecture, Variant
from architectures.tuning import use_bfloat16_
from bench.machine.macs import ConvolutionCounter, gradient_macs
from bench.machine.randomness import generator
from bench.stages.batches import BatchSource, TrainingData
from bench.stages.losses import TrainingLoss
from bench.stages.problem import TrainingProblem
from bench.store.state import State
from bench.tracks.settings import TrainingSettings
from datasets.samples import Samples, mean_psnr
from pruners import Mask
from pruners.channels import Channels

Count = Callable[[Architecture, Samples], int]


@dataclass(frozen=True)
class Validation:
    """Scores of a network on the validation patients.

    Attributes
    ----------
    loss : float
        Mean training loss over the batches.
    psnr : float
        Mean over the slices, dB.
    macs : int
        What finding out took.
    """

    loss: float
    psnr: float
    macs: int


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
    loader_workers : int
        Threads that read batches ahead; no result depends on them.
    recompute : bool
        Whether networks keep little for the backward pass: see `Architecture`. Nothing but memory and time changes.
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
    loader_workers: int = 0
    recompute: bool = False

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
        model.recompute = model.recompute or self.recompute
        return model

    def problem(self, model: Architecture, mask: Mask, use: str, purpose: str) -> TrainingProblem:
        """What a pruner sees, on a copy of the model; each use has its own generator, each purpose its own batches."""
        own = self.model(State.of(model, mask)).requires_grad_(False)
        draw = generator(self.seed, "pruning", use)
        return TrainingProblem(own, mask, self.source(purpose), TrainingLoss(self.training.loss), draw, self.channels)

    def source(self, purpose: str) -> BatchSource:
        """Training batches of a purpose, on the device."""
        return self._source(self.data, purpose)

    def _source(self, data: TrainingData, purpose: str) -> BatchSource:
        return BatchSource(data, purpose, self.device, self.loader_workers)

    def validate(self, model: Architecture, weights: Mapping[str, Tensor] | None = None) -> Validation | None:
        """Scores on the slices of the validation patients, always with the same sampling masks; None without any.

        Parameters
        ----------
        model : Architecture
        weights : mapping of str to Tensor, optional
            In place of its own of the same names.
        """
        if self.validation is None:
            return None
        return self._scored(model, self.validation, self.validation.epoch("validation"), weights)

    def fit(self, model: Architecture, known: Validation | None = None) -> dict[str, float]:
        """Quality on validation patients, and the loss on them and on as many training batches; none without any.

        Parameters
        ----------
        model : Architecture
        known : Validation, optional
            Of the same weights, if it was validated before.
        """
        if self.validation is None:
            return {}
        held_out = known or self._scored(model, self.validation, self.validation.epoch("validation"))
        batches = min(self.validation.epoch("validation"), self.data.epoch("validation"))
        seen = self._scored(model, self.data, batches)
        return {"psnr_at_end": held_out.psnr, "validation_loss": held_out.loss, "training_loss": seen.loss}

    @torch.no_grad()
    def _scored(
        self, model: Architecture, data: TrainingData, batches: int, weights: Mapping[str, Tensor] | None = None
    ) -> Validation:
        loss_of, losses, qualities = TrainingLoss(self.training.loss), [], []
        with ConvolutionCounter(model) as counter:
            for samples in self._source(data, "validation").batches(batches):
                image = loss_of.image(model, samples, weights)
                losses.append(float(loss_of.of(image, samples)))
                qualities.append(mean_psnr(image, samples))
        return Validation(math.fsum(losses) / len(losses), math.fsum(qualities) / len(qualities), counter.macs)

    @cached_property
    def step_macs(self) -> float:
        """Executed multiply–accumulates of one dense training step of the full-width network, mean over an epoch."""
        numbers = self.data.shapes("training")
        return self._counted(self.data, "training", self._gradient, 1.0) / sum(numbers.values())

    @cached_property
    def validation_macs(self) -> int:
        """Multiply–accumulates of one validation; 0 without validation patients."""
        return self._counted(self.validation, "validation", self._forward, self.width) if self.validation else 0

    def _counted(self, data: TrainingData, purpose: str, count: Count, width: float) -> int:
        """Sum over an epoch, from the shapes of its batches; a network that asks for values is given one of each."""
        model = build(self.architecture, self.size, generator(0, "cost"), width, self.variant)
        model.recompute = model.recompute or self.recompute
        total = 0
        for step, batches in data.shapes(purpose).items():
            try:
                found = count(copy.deepcopy(model).to("meta"), data.shaped(step, purpose))
            except (RuntimeError, TypeError):  # there are no values; what is wrong otherwise shows below
                found = count(model.to(self.device), data.batch(step, purpose, self.device))
            total += batches * found
        return total

    def _gradient(self, model: Architecture, samples: Samples) -> int:
        return gradient_macs(partial(TrainingLoss(self.training.loss), model, samples), model)

    @torch.no_grad()
    def _forward(self, model: Architecture, samples: Samples) -> int:
        with ConvolutionCounter(model) as counter:
            TrainingLoss(self.training.loss).image(model, samples)
        found: int = counter.macs
        return found
