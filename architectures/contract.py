"""What every architecture promises, and how one is registered and built."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from architectures.initialisation import check_initialisation, initialise_
from registries import Identity, Registry, RequestError, identify, options_of, parse_options
from registries.options import Option
from registries.registry import key_of, summary_of
from registries.text import offer

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
    gives_complex : bool
        Whether `complex_image` exists: the network combines coils through the maps given to it.
    follows_scale : bool
        Promise: the image follows the scale of the k-space, whatever it is; then nobody need scale it to about 1.
    recompute : bool
        Set from outside where memory is short: each unrolled iteration keeps its inputs alone, and is computed again in
        the backward pass (see `architectures.recompute`). Numbers stay the same, bit for bit; a network may ignore it.
    """

    keeps_full_data = True
    gives_complex = False
    follows_scale = False
    recompute = False

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

    def complex_image(self, kspace: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """The complex image ``(B, H, W)`` complex64 whose magnitude `forward` gives.

        Raises
        ------
        RequestError
            If the network has none.
        """
        raise RequestError(f"{type(self).__name__} gives no complex image")

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
        check_group(chosen, groups)
        members = {name: part for name, part in groups.items() if chosen in (ALL_GROUPS, name)}
        group_of = {id(m): group for group, part in members.items() for m in part.modules()}
        return {
            f"{name}.weight": Prunable(cast(nn.Parameter, module.weight), group_of[id(module)])
            for name, module in self.named_modules()
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and id(module) in group_of
        }


@dataclass(frozen=True)
class Variant:
    """What deviates from the network that an architecture declares.

    Attributes
    ----------
    init : str or None
        Another initialisation than the declared one.
    options : tuple of (str, value)
        Options of another value than the default, sorted.
    """

    init: str | None = None
    options: tuple[tuple[str, Option], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it stands in keys and records; empty for the declared network."""
        init = {} if self.init is None else {"init": self.init}
        return {**init, **({"options": dict(self.options)} if self.options else {})}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Variant":
        """As `to_json` gave it."""
        return cls(content.get("init"), tuple(sorted(content.get("options", {}).items())))


DECLARED = Variant()


@dataclass(frozen=True)
class ArchitectureEntry:
    """A registered architecture.

    Attributes
    ----------
    sizes : mapping
        Arguments of ``construct`` by size: ``toy``, ``demo``, ``mini``, ``paper``.
    init : str
        Declared initialisation, one of `INITIALISATIONS`.
    far_start : str or None
        Why the untrained network may be much worse than with its denoisers switched off; None promises that its loss
        is at most 1.2 times as high.
    options : mapping
        Of the network at any size, with their defaults: ``--set arch.NAME=VALUE``.
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
    init: str = "torch"
    far_start: str | None = None
    options: Mapping[str, Option] = field(default_factory=dict)

    def variant(self, init: str | None, given: Mapping[str, str]) -> Variant:
        """What the user asks for, less what is declared anyway.

        Parameters
        ----------
        init : str or None
            Name of an initialisation.
        given : mapping
            Options by name, as text.

        Raises
        ------
        RequestError
            If there is no such initialisation or option, or a value is of the wrong type.
        """
        if init is not None:
            check_initialisation(init, f"--set init={init}")
        values = parse_options(f"architecture '{self.name}'", self.options, given)
        changed = {name: value for name, value in values.items() if value != self.options[name]}
        return Variant(None if init == self.init else init, tuple(sorted(changed.items())))

    def arguments(self, size: str, width: float = 1.0) -> Mapping[str, float]:
        """Arguments of ``construct`` at a size, all numbers of channels times ``width``.

        Raises
        ------
        RequestError
            If there is no such size.
        """
        if size not in self.sizes:
            raise RequestError(f"architecture '{self.name}' has no size '{size}': {offer(size, self.sizes)}")
        given = self.sizes[size]
        return {
            name: value * width if width != 1 and name.endswith("channels") else value for name, value in given.items()
        }


architectures: Registry[ArchitectureEntry] = Registry("architecture", "architectures.models")


def architecture(
    *,
    version: int,
    source: str,
    sharing: str,
    needs: tuple[str, ...],
    sizes: Mapping[str, Mapping[str, float]],
    init: str = "torch",
    far_start: str | None = None,
) -> Callable[[Callable[..., Architecture]], Callable[..., Architecture]]:
    """Register the function below as an architecture; its name is the key, its docstring the summary.

    Its parameters are set by the sizes; those with a truth, number or text for default that no size sets are options.
    """

    def register(construct: Callable[..., Architecture]) -> Callable[..., Architecture]:
        name = key_of(construct)
        check_initialisation(init, f"architecture '{name}'")
        identity = identify(name, version, construct)
        of_size = {parameter for arguments in sizes.values() for parameter in arguments}
        options = {
            option: default
            for option, default in options_of(construct).items()
            if option not in of_size and isinstance(default, bool | int | float | str)
        }
        entry = ArchitectureEntry(
            name, summary_of(construct), source, sharing, needs, sizes, identity, construct, init, far_start, options
        )
        architectures.add(entry)
        return construct

    return register


def build(
    name: str, size: str, generator: torch.Generator, width: float = 1.0, variant: Variant = DECLARED
) -> Architecture:
    """Construct an architecture with initial weights θ₀ drawn from the generator alone.

    Parameters
    ----------
    name, size : str
    generator : torch.Generator
    width : float
        Factor of all numbers of channels.
    variant : Variant

    Raises
    ------
    RequestError
        If the architecture or the size does not exist.
    """
    return build_entry(architectures.get(name), size, generator, width, variant)


def build_entry(
    entry: ArchitectureEntry, size: str, generator: torch.Generator, width: float = 1.0, variant: Variant = DECLARED
) -> Architecture:
    """As `build`, of an entry."""
    arguments = {**entry.arguments(size, width), **dict(variant.options)}
    init = variant.init or entry.init
    with torch.random.fork_rng(devices=[]):  # constructors of torch draw from the global generator; leave it as it was
        torch.default_generator.manual_seed(generator.initial_seed())
        model = entry.construct(**arguments)
    initialise_(model, init, generator)
    return model


def check_group(chosen: str, groups: Mapping[str, nn.Module]) -> None:
    """Raise `RequestError` unless there is such a group of weights."""
    if chosen not in (ALL_GROUPS, *groups):
        known = offer(chosen, (ALL_GROUPS, *groups))
        raise RequestError(f"--set pruner.groups={chosen}: unknown group of weights: {known}")
