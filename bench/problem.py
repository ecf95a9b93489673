"""What a pruner sees of a trial."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.func import functional_call

from architectures import Architecture
from bench.losses import Loss
from bench.training_data import TrainingData
from datasets.samples import Samples
from pruners import Mask


class TrainingProblem:
    """`pruners.Problem` on the training volumes; see there.

    Parameters
    ----------
    model : Architecture
        Holding the weights as they are before the mask is applied.
    mask : Mask
    data : TrainingData
    loss : callable
    generator : torch.Generator
    device : torch.device
    """

    def __init__(
        self,
        model: Architecture,
        mask: Mask,
        data: TrainingData,
        loss: Loss,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self.model = model
        self.mask = Mask({name: kept.to(device) for name, kept in mask.items()})
        self.weights: Mapping[str, Tensor] = {n: model.get_parameter(n).detach() for n in mask}
        self.generator = generator
        self._data = data
        self._loss = loss
        self._device = device

    def batches(self, number: int) -> Iterator[Samples]:
        """Draw scoring batches: the same for every pruner of the trial's seed."""
        return (samples.to(self._device) for samples in self._data.batches(number, "scoring"))

    def loss(self, batch: Samples, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Training loss of a batch with these prunable weights, by default the masked ones."""
        used = weights or {name: weight * self.mask[name] for name, weight in self.weights.items()}
        image = functional_call(self.model, dict(used), (batch.kspace, batch.mask, batch.maps))
        return self._loss(image, batch)
