"""The same network without some of its channels: physically smaller convolutions instead of zeros."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from architectures.contract import Architecture

PIXELS = 32
Convolution = nn.Conv2d | nn.ConvTranspose2d


@dataclass(frozen=True)
class Kept:
    """Channels of a convolution that stay.

    Attributes
    ----------
    outputs, inputs : tuple of int
        Their places, ascending.
    """

    outputs: tuple[int, ...]
    inputs: tuple[int, ...]


Plan = Mapping[str, Kept]
"""By the name of the convolution in the model; those that are not named stay whole."""


@torch.no_grad()
def compacted(model: Architecture, plan: Plan) -> Architecture:
    """A copy whose convolutions have only the channels of a plan, with their weights.

    Parameters
    ----------
    model : Architecture
    plan : mapping of str to Kept
        What one convolution omits is also omitted by those that read it.

    Raises
    ------
    ValueError
        If the plan names no convolution of the model, or a norm in its CNNs has parameters of its own.
    """
    small = copy.deepcopy(model)
    modules = dict(small.named_modules())
    for name, kept in plan.items():
        module = modules.get(name)
        if not isinstance(module, Convolution):
            raise ValueError(f"'{name}' is no convolution of this network")
        parent, _, attribute = name.rpartition(".")
        setattr(small.get_submodule(parent), attribute, _smaller(module, kept))
    for network in small.networks().values():
        with _norms_that_follow(network):
            parameter = next(network.parameters())
            network(torch.zeros(1, 2, PIXELS, PIXELS, device=parameter.device, dtype=parameter.dtype))
    return small


def _smaller(module: nn.Conv2d | nn.ConvTranspose2d, kept: Kept) -> nn.Module:
    if module.groups != 1:
        raise ValueError("grouped convolutions cannot be made smaller")
    kind = type(module)
    found = kind(
        len(kept.inputs),
        len(kept.outputs),
        module.kernel_size,  # type: ignore[arg-type]
        stride=module.stride,  # type: ignore[arg-type]
        padding=module.padding,  # type: ignore[arg-type]
        dilation=module.dilation,  # type: ignore[arg-type]
        bias=module.bias is not None,
        device=module.weight.device,
        dtype=module.weight.dtype,
    )
    first, second = (kept.inputs, kept.outputs) if kind is nn.ConvTranspose2d else (kept.outputs, kept.inputs)
    found.weight.copy_(_chosen(_chosen(module.weight, first, 0), second, 1))
    if module.bias is not None and found.bias is not None:
        found.bias.copy_(_chosen(module.bias, kept.outputs, 0))
    return found.train(module.training).requires_grad_(module.weight.requires_grad)


def _chosen(value: Tensor, places: tuple[int, ...], axis: int) -> Tensor:
    return value.index_select(axis, torch.tensor(places, device=value.device))


@contextmanager
def _norms_that_follow(network: nn.Module) -> Iterator[None]:
    """Let norms take the number of channels that reaches them at the next call."""

    def follow(norm: nn.InstanceNorm2d, inputs: tuple[Tensor, ...]) -> None:
        norm.num_features = inputs[0].shape[1]

    handles = []
    for name, module in network.named_modules():
        if isinstance(module, nn.InstanceNorm2d) and not module.affine and not module.track_running_stats:
            handles.append(module.register_forward_pre_hook(follow))
        elif isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm):
            raise ValueError(f"norm '{name}' has parameters or statistics of its channels")
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
