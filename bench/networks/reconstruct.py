"""From samples to an image: the one way in which anything here calls a network."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from datasets.samples import Samples


def reconstruct(network: nn.Module, samples: Samples, weights: Mapping[str, Tensor] | None = None) -> Tensor:
    """Image ``(B, H, W)`` of samples, with these weights in place of the network's own of the same names."""
    inputs = samples.kspace, samples.mask, samples.maps
    image: Tensor = network(*inputs) if weights is None else functional_call(network, dict(weights), inputs)
    return image


def in_units_of_data(image: Tensor, samples: Samples) -> Tensor:
    """Images ``(B, H, W)`` in the units of the k-space that samples were made from; zero where that was zero."""
    measured = samples.kspace.abs().amax(dim=(1, 2, 3)) > 0
    return torch.where(measured[:, None, None], image * samples.scale[:, None, None], 0.0)
