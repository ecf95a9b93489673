"""Which slices of which weights belong to one channel, found by Torch-Pruning's dependency graph."""

import copy
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from pruners.channels import Channels, Layer, Slices
from registries import RequestError


class NoChannelsError(RequestError):
    """The channels of a network cannot be removed one by one."""


OUTPUT = "_OutputOp"
"""What the graph calls the end of a network."""
PIXELS = 32
"""Rows and columns of the image that a network is traced with."""


def missing_library() -> RequestError | None:
    """Why channels cannot be found here; None if they can."""
    if find_spec("torch_pruning") is None:
        return RequestError("channels are found by Torch-Pruning: pip install -e '.[structured]'")
    return None


def coupled(networks: Mapping[str, nn.Module], weights: Mapping[str, Tensor]) -> Channels:
    """The channels of plain CNNs, each traced by itself.

    Parameters
    ----------
    networks : mapping of str to Module
        ``(B, 2, H, W)`` to the same, by their name in the model.
    weights : mapping of str to Tensor
        The prunable ones, by their name in the model; networks without any have no channels.

    Raises
    ------
    RequestError
        If Torch-Pruning is not installed.
    NoChannelsError
        If a network mixes channels.

    Notes
    -----
    Fang et al. 2023, DepGraph: towards any structural pruning, arXiv:2301.12900.
    """
    missing = missing_library()
    if missing:
        raise missing
    layers: dict[str, Layer] = {}
    for prefix, network in networks.items():
        if any(name.startswith(f"{prefix}.") for name in weights):
            layers |= _layers_of(prefix, network)
    return Channels(layers, {name: weight.shape for name, weight in weights.items()})


def has_channels(networks: Mapping[str, nn.Module]) -> bool:
    """Whether channels of plain CNNs can be removed one by one; raises `RequestError` without Torch-Pruning."""
    missing = missing_library()
    if missing:
        raise missing
    try:
        for prefix, network in networks.items():
            _layers_of(prefix, network)
    except NoChannelsError:
        return False
    return True


def _layers_of(prefix: str, network: nn.Module) -> dict[str, Layer]:
    import torch_pruning

    if any(isinstance(module, nn.PixelShuffle) for module in network.modules()):
        raise NoChannelsError(f"'{prefix}' turns channels into pixels by pixel shuffles: its channels cannot be pruned")
    traced = copy.deepcopy(network).to_empty(device="cpu").float().requires_grad_(True)
    for value in (*traced.parameters(), *traced.buffers()):  # the graph does not depend on them
        value.detach().zero_()
    for module in traced.modules():
        if isinstance(module, nn.ReLU | nn.LeakyReLU):  # an output changed in place is not recognised
            module.inplace = False
    graph = torch_pruning.DependencyGraph()
    graph.build_dependency(traced, example_inputs=torch.zeros(1, 2, PIXELS, PIXELS), verbose=False)
    names = {module: f"{prefix}.{name}.weight" for name, module in traced.named_modules()}
    layers: dict[str, Layer] = {}
    for module in traced.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue
        group = graph.get_pruning_group(
            module, graph.get_pruner_of_module(module).prune_out_channels, idxs=list(range(module.out_channels))
        )
        if any(type(part.dep.target.module).__name__ == OUTPUT for part in group):
            continue  # whoever called the network reads it
        found = [part for part in group if isinstance(part.dep.target.module, nn.Conv2d | nn.ConvTranspose2d)]
        makes = tuple(_slices(part, names) for part in found if _of_outputs(graph, part))
        reads = tuple(_slices(part, names) for part in found if not _of_outputs(graph, part))
        known = any(makes[0].weight in (m.weight for m in layer.makes) for layer in layers.values())
        if reads and not known:
            layers[names[module]] = Layer(makes, reads)
    return layers


def _of_outputs(graph: Any, part: Any) -> bool:
    return bool(graph.is_out_channel_pruning_fn(part.dep.handler))


def _slices(part: Any, names: Mapping[nn.Module, str]) -> Slices:
    """A member of a group, its channels in the order of those of the first one."""
    places = dict(zip(part.root_idxs, part.idxs, strict=True))
    module = part.dep.target.module
    if len(places) != len(part.idxs) or sorted(places) != list(range(len(places))):
        raise NoChannelsError(f"'{names[module]}' reads a channel several times: its channels cannot be pruned")
    makes = part.dep.handler.__name__ == "prune_out_channels"
    # a transposed convolution holds its inputs first
    axis = 0 if makes != isinstance(module, nn.ConvTranspose2d) else 1
    return Slices(names[module], axis, tuple(places[channel] for channel in sorted(places)))
