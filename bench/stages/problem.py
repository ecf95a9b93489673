"""What a pruner sees of a trial."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from architectures import Architecture
from bench.networks.reconstruct import reconstruct
from bench.stages.batches import BatchSource
from bench.stages.losses import TrainingLoss
from datasets.samples import Samples, crop_to_target
from pruners import Mask
from pruners.channels import Channels

SMOOTHING = 1e-3
"""ε of the curved loss, in images scaled to about 1."""


class TrainingProblem:
    """`pruners.Problem` on the training volumes; see there.

    Parameters
    ----------
    model : Architecture
        Holding the weights as they are before the mask is applied.
    mask : Mask
    source : BatchSource
        Of scoring batches.
    loss : TrainingLoss
    generator : torch.Generator
    channels : Channels
        Of the network; none where single weights are removed.

    Attributes
    ----------
    drawn : int
        Number of batches handed out so far.
    """

    def __init__(
        self,
        model: Architecture,
        mask: Mask,
        source: BatchSource,
        loss: TrainingLoss,
        generator: torch.Generator,
        channels: Channels,
    ) -> None:
        self.model = model
        self.mask = mask.to(source.device)
        self.weights: Mapping[str, Tensor] = {n: model.get_parameter(n).detach() for n in mask}
        self.generator = generator
        self.drawn = 0
        self._source = source
        self._loss = loss
        self._channels = channels
        self._sets = 0

    def networks(self) -> Mapping[str, nn.Module]:
        """The plain CNNs by their name in the model."""
        return self.model.networks()

    def channels(self) -> Channels:
        """The channels of these CNNs."""
        return self._channels

    def batches(self, number: int) -> Iterator[Samples]:
        """Draw scoring batches: the same for every pruner of the trial's seed."""
        for samples in self._source.batches(number, self._sets * number):
            self.drawn += 1
            yield samples

    def use_next_batches(self) -> None:
        """From now on, of every number of batches, hand out those that come after."""
        self._sets += 1

    def loss(self, batch: Samples, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Training loss of a batch with these prunable weights, by default the masked ones."""
        return self._loss(self.model, batch, self._in_force(weights))

    def curved_loss(self, batch: Samples, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Mean squared error of √(|x|² + ε²) against the target: has curvature whatever the training loss."""
        image, target = crop_to_target(reconstruct(self.model, batch, self._in_force(weights)), batch.target)
        return functional.mse_loss((image.square() + SMOOTHING**2).sqrt(), target)

    def _in_force(self, weights: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
        given = weights or {}
        masked = {name: weight * self.mask[name] for name, weight in self.weights.items() if name not in given}
        return {**masked, **given}
