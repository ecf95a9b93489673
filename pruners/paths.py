"""Whether anything can pass from the input of a plain CNN to its output, and which layer comes last."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pruners.mask import Mask

PIXELS = 32
"""Rows and columns of the image that passes."""


@torch.no_grad()
def disconnected(networks: Mapping[str, nn.Module], mask: Mask) -> tuple[str, ...]:
    """Names of the networks in which no path of kept weights leads from the input to the output.

    Parameters
    ----------
    networks : mapping of str to Module
        ``(B, 2, H, W)`` to the same, by their name in the model; untrained or not, their own values do not matter.
    mask : Mask
        Of weights by their name in the model. Others count as kept, biases as zero.
    """
    return tuple(name for name, network in networks.items() if not _passes(name, network, mask))


def _passes(prefix: str, network: nn.Module, mask: Mask) -> bool:
    parameters = dict(network.named_parameters())
    kept = {
        name: mask[f"{prefix}.{name}"] if f"{prefix}.{name}" in mask else torch.ones_like(value, dtype=torch.bool)
        for name, value in parameters.items()
        if not name.endswith("bias")
    }
    # means over what a value is made of, so that deep networks stay within the range of numbers
    weights = {name: flags.double() / max(1, flags[0].numel()) for name, flags in kept.items()}
    image = torch.ones(1, 2, PIXELS, PIXELS, dtype=torch.float64)
    flow: Tensor = functional_call(linearised(network).cpu(), weights, image)
    return bool((flow > 0).any())


@torch.no_grad()
def last_convolutions(networks: Mapping[str, nn.Module]) -> frozenset[str]:
    """Weights, by their name in the model, of the convolution that each network carries out last."""
    found = set()
    for prefix, network in networks.items():
        order: list[nn.Module] = []

        def note(module: nn.Module, inputs: Any, output: Any, order: list[nn.Module] = order) -> None:
            order.append(module)

        convolutions: dict[nn.Module, str] = {
            module: name
            for name, module in network.named_modules()
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
        }
        handles = [module.register_forward_hook(note) for module in convolutions]
        parameter = next(network.parameters())
        network(torch.zeros(1, 2, PIXELS, PIXELS, dtype=parameter.dtype, device=parameter.device))
        for handle in handles:
            handle.remove()
        found.add(f"{prefix}.{convolutions[order[-1]]}.weight")
    return frozenset(found)


def linearised(network: nn.Module) -> nn.Module:
    """A float64 copy with absolute weights, zero biases, and identities for norms and dropout."""
    copied = copy.deepcopy(network).double()
    with torch.no_grad():
        for name, parameter in copied.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.abs_()
    for module in list(copied.modules()):
        for name, child in module.named_children():
            if isinstance(
                child, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm | nn.modules.dropout._DropoutNd
            ):
                setattr(module, name, nn.Identity())
    return copied
