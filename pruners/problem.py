"""What a pruner sees of a trial."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pruners.channels import Channels
from pruners.mask import Mask

Scores = dict[str, Tensor]
Batch = Any
"""Training samples, to be handed to `Problem.loss` as they are."""


class Problem(Protocol):
    """All that a pruner ever sees: never a file, a track or evaluation data.

    Attributes
    ----------
    model : Module
        The network; its own parameters are not to be changed.
    weights : mapping of str to Tensor
        The prunable weights as they are before the mask is applied.
    mask : Mask
        What has been kept so far.
    generator : torch.Generator
        The only source of randomness, on the CPU.
    """

    @property
    def model(self) -> nn.Module: ...  # noqa: D102

    @property
    def weights(self) -> Mapping[str, Tensor]: ...  # noqa: D102

    @property
    def mask(self) -> Mask: ...  # noqa: D102

    @property
    def generator(self) -> torch.Generator: ...  # noqa: D102

    def networks(self) -> Mapping[str, nn.Module]:
        """The plain CNNs that hold the prunable weights, ``(B, 2, H, W)`` to the same, by their name in the model."""

    def channels(self) -> Channels:
        """The channels of these CNNs and the slices of weights that go with each.

        None for a pruner that is not registered with ``granularity="channel"``.
        """

    def batches(self, number: int) -> Iterator[Batch]:
        """Draw batches of the training volumes, freshly undersampled; the same ones in every call."""

    def loss(self, batch: Batch, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Training loss on a batch with these prunable weights, by default the masked ones."""

    def curved_loss(self, batch: Batch, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Mean squared error of √(|x|² + ε²): has curvature whatever the training loss."""


@dataclass(frozen=True)
class Moment:
    """What a `MaskUpdate` is called with, in the middle of a training.

    Attributes
    ----------
    step : int
        Nominal step whose gradients these are.
    problem : Problem
        Weights and mask as they are now; its generator belongs to this step.
    gradients : mapping of str to Tensor
        Of the training loss with respect to every prunable weight, pruned ones too.
    """

    step: int
    problem: Problem
    gradients: Mapping[str, Tensor]
