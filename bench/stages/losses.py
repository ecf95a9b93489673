"""From a network and its weights to a training loss: the one way there."""

from collections.abc import Callable, Mapping

import fastmri
import torch
from torch import Tensor, nn
from torch.nn import functional

from architectures import Architecture
from bench.networks.reconstruct import reconstruct
from datasets.samples import Samples, crop_to_target

COMPLEX = "complex-mse"
Measure = Callable[[Tensor, Tensor, Tensor], Tensor]


class TrainingLoss:
    """A loss by name.

    Mean ``l1`` or ``mse`` in scaled units, or 1 − SSIM with the volume's maximum (``ssim``), all between the magnitude
    image and fastMRI's target; or ``complex-mse``, the mean squared error of the complex image against the SENSE
    combination Σ conj(S) c of the fully sampled coil images c through the same coil maps, as in public MoDL code of the
    authors of PUN (arXiv:2412.18668).

    Parameters
    ----------
    name : str
        One of `bench.tracks.settings.LOSSES`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._measure = _squared_magnitude if name == COMPLEX else _ssim() if name == "ssim" else _POINTWISE[name]

    def __call__(self, model: Architecture, samples: Samples, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Loss of a model, with these weights in place of its own of the same names."""
        return self.of(self.image(model, samples, weights), samples)

    def image(self, model: Architecture, samples: Samples, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """What is compared: magnitude ``(B, H, W)`` float32, or complex64 for ``complex-mse``."""
        if self._name != COMPLEX:
            return reconstruct(model, samples, weights)
        own = None if weights is None else {f"model.{name}": value for name, value in weights.items()}
        return reconstruct(ComplexOutput(model), samples, own)

    def of(self, image: Tensor, samples: Samples) -> Tensor:
        """Loss of what `image` gave."""
        if self._name == COMPLEX:
            return self._measure(image, samples.combined, samples.maximum)
        return self._measure(*crop_to_target(image, samples.target), samples.maximum)


class ComplexOutput(nn.Module):
    """The network, giving its complex image."""

    def __init__(self, model: Architecture) -> None:
        super().__init__()
        self.model = model

    def forward(self, kspace: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """See `Architecture.complex_image`."""
        return self.model.complex_image(kspace, mask, maps)


def _ssim() -> Measure:
    structural = fastmri.SSIMLoss()

    def measure(image: Tensor, target: Tensor, maximum: Tensor) -> Tensor:
        loss: Tensor = structural.to(image.device)(image[:, None], target[:, None], data_range=maximum)
        return loss

    return measure


def _squared_magnitude(image: Tensor, target: Tensor, maximum: Tensor) -> Tensor:
    return torch.view_as_real(image - target).square().sum(-1).mean()


_POINTWISE: Mapping[str, Measure] = {
    "l1": lambda image, target, maximum: functional.l1_loss(image, target),
    "mse": lambda image, target, maximum: functional.mse_loss(image, target),
}
