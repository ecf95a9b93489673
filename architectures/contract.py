"""What every architecture promises, and how one is registered and built."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from registries import Identity, Registry, RequestError, identify
from registries.registry import key_of, summary_of

ALL_GROUPS = "all"


class Prunable(NamedTuple):
    """A convolution weight that may be pruned, and the part of the network it belongs to."""

    weight: nn.Parameter
    group: str


class Architecture(nn.Module, ABC):
    """An unrolled network.

    Images inside and outside are in the units of the k-space given. The caller scales it to about 1.

    Attributes
    ----------
    keeps_full_data : bool
        Promise: with denoisers that give zero, fully sampled data that agree with the maps come back unchanged.
    follows_scale : bool
        Promise: the image follows the scale of the k-space, whatever it is; then nobody need scale it to about 1.
    """

    keeps_full_data = True
    follows_scale = False

    @abstractmethod
    def forward(self, kspace: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """Reconstruct a magnitude image.

        Parameters
        ----------
        kspace : Tensor
            ``(B, C, H, W)`` complex64, centred, orthonormal FFT, zero where not sampled.
        mask : Tensor
            ``(B, 1, 1, W)`` bool, or ``(B, 1, H, W)`` for 2-D patterns.
        maps : Tensor
            ``(B, C, H, W)`` complex64 coil maps, Σ|S|² = 1.

        Returns
        -------
        Tensor
            ``(B, H, W)`` float32 magnitude.
        """

    @abstractmethod
    def groups(self) -> Mapping[str, nn.Module]:
        """The parts that hold prunable weights: ``denoiser`` and, where there is one, ``sensitivity``."""

    @abstractmethod
    def denoisers(self) -> tuple[nn.Module, ...]:
        """The modules whose output is zeroed in the `empty` baseline, leaving data consistency alone."""

    @abstractmethod
    def networks(self) -> Mapping[str, nn.Module]:
        """The plain CNNs that hold the prunable weights, by their name in the model.

        Each maps real ``(B, 2, H, W)`` to the same, without what surrounds it (normalisation of the image, data
        consistency); one that is shared counts once.
        """

    def prunable(self, chosen: str = ALL_GROUPS) -> dict[str, Prunable]:
        """Convolution weights by their name in the state dict; never biases, norms or scalars.

        Parameters
        ----------
        chosen : str
            One group, or ``all``.

        Raises
        ------
        RequestError
            If there is no such group.
        """
        groups = self.groups()
        if chosen not in (ALL_GROUPS, *groups):
            raise RequestError(
                f"there is no group '{chosen}' of weights to prune: use {ALL_GROUPS}, {', '.join(groups)}"
            )
        members = {name: part for name, part in groups.items() if chosen in (ALL_GROUPS, name)}
        group_of = {id(m): group for group, part in members.items() for m in part.modules()}
        return {
            f"{name}.weight": Prunable(cast(nn.Parameter, module.weight), group_of[id(module)])
            for name, module in self.named_modules()
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and id(module) in group_of
        }


@dataclass(frozen=True)
class ArchitectureEntry:
    """A registered architecture.

    Attributes
    ----------
    sizes : mapping
        Arguments of ``construct`` by size: ``toy``, ``demo``, ``mini``, ``paper``.
    sharing : str
        Which weights are used more than once in a forward pass.
    needs : tuple of str
        ``maps`` if coil maps are an input that matters; empty if the network estimates its own.
    """

    name: str
    summary: str
    source: str
    sharing: str
    needs: tuple[str, ...]
    sizes: Mapping[str, Mapping[str, float]]
    identity: Identity
    construct: Callable[..., Architecture]

    def arguments(self, size: str, width: float = 1.0) -> Mapping[str, float]:
        """Arguments of ``construct`` at a size, all numbers of channels times ``width``.

        Raises
        ------
        RequestError
            If there is no such size.
        """
        if size not in self.sizes:
            raise RequestError(f"architecture '{self.name}' has no size '{size}': there are {', '.join(self.sizes)}")
        given = self.sizes[size]
        return {
            name: value * width if width != 1 and name.endswith("channels") else value for name, value in given.items()
        }


architectures: Registry[ArchitectureEntry] = Registry("architecture", "architectures")


def architecture(
    *, version: int, source: str, sharing: str, needs: tuple[str, ...], sizes: Mapping[str, Mapping[str, float]]
) -> Callable[[Callable[..., Architecture]], Callable[..., Architecture]]:
    """Register the function below as an architecture; its name is the key, its docstring the summary."""

    def register(construct: Callable[..., Architecture]) -> Callable[..., Architecture]:
        name = key_of(construct)
        identity = identify(name, version, construct)
        entry = ArchitectureEntry(name, summary_of(construct), source, sharing, needs, sizes, identity, construct)
        architectures.add(entry)
        return construct

    return register


def build(name: str, size: str, generator: torch.Generator, width: float = 1.0) -> Architecture:
    """Construct an architecture with initial weights θ₀ drawn from the generator alone.

    Parameters
    ----------
    name, size : str
    generator : torch.Generator
    width : float
        Factor of all numbers of channels.

    Raises
    ------
    RequestError
        If the architecture or the size does not exist.
    """
    return build_entry(architectures.get(name), size, generator, width)


def build_entry(entry: ArchitectureEntry, size: str, generator: torch.Generator, width: float = 1.0) -> Architecture:
    """As `build`, of an entry."""
    arguments = entry.arguments(size, width)
    with torch.random.fork_rng(devices=[]):  # constructors of torch draw from the global generator; leave it as it was
        model = entry.construct(**arguments)
    initialise_(model, generator)
    return model


@torch.no_grad()
def initialise_(model: nn.Module, generator: torch.Generator) -> None:
    """Draw all convolution weights anew, in place, by torch's own default rule.

    Weights and biases are uniform within ±1/√fan_in: ``kaiming_uniform_`` with a = √5 (He et al. 2015), as in
    ``nn.Conv2d.reset_parameters``, but from an explicit generator.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            bound = 1 / math.sqrt(_fan_in(module))
            for parameter in (module.weight, module.bias):
                if parameter is not None:
                    parameter.uniform_(-bound, bound, generator=generator)


def _fan_in(module: nn.Conv2d | nn.ConvTranspose2d) -> int:
    shape: Any = module.weight.shape
    return int(shape[1] * shape[2] * shape[3])
