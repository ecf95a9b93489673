"""How a network starts: what θ₀ is drawn from, declared by each architecture."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from registries import RequestError
from registries.text import offer

Convolution = nn.Conv2d | nn.ConvTranspose2d
OWN = "own"
"""What the constructor draws, kept as it is."""
NORMAL_DEVIATION = 0.02


@dataclass(frozen=True)
class Initialisation:
    """A rule for the convolutions of a network.

    Attributes
    ----------
    summary, source : str
    draw : callable
        ``(convolution, generator)``: draws weight and bias in place.
    """

    summary: str
    source: str
    draw: Callable[[Convolution, torch.Generator], None]


def _torch(module: Convolution, generator: torch.Generator) -> None:
    shape: Any = module.weight.shape
    bound = 1 / math.sqrt(int(shape[1] * shape[2] * shape[3]))
    for parameter in _parameters(module):
        parameter.uniform_(-bound, bound, generator=generator)


def _normal(module: Convolution, generator: torch.Generator) -> None:
    module.weight.normal_(0, NORMAL_DEVIATION, generator=generator)
    if module.bias is not None:
        module.bias.zero_()


def _keep(module: Convolution, generator: torch.Generator) -> None:
    """The constructor drew it."""


INITIALISATIONS: Mapping[str, Initialisation] = {
    "torch": Initialisation(
        "weights and biases uniform within ±1/√fan_in",
        "torch.nn.Conv2d.reset_parameters: He et al. 2015, arXiv:1502.01852, with a = √5",
        _torch,
    ),
    "normal-0.02": Initialisation(
        "weights normal with standard deviation 0.02, biases zero",
        "public MRI code of the authors of PUN (arXiv:2412.18668), as in Isola et al. 2017, arXiv:1611.07004",
        _normal,
    ),
    OWN: Initialisation("as the network's constructor draws it", "the architecture's own", _keep),
}


def check_initialisation(name: str, where: str) -> None:
    """Raise `RequestError` unless there is such an initialisation."""
    if name not in INITIALISATIONS:
        raise RequestError(f"{where}: unknown initialisation '{name}': {offer(name, INITIALISATIONS)}")


@torch.no_grad()
def initialise_(model: nn.Module, name: str, generator: torch.Generator) -> None:
    """Draw all convolutions anew, in place, from an explicit generator alone.

    Parameters
    ----------
    model : Module
    name : str
        One of `INITIALISATIONS`.
    generator : torch.Generator
        On the CPU.
    """
    for module in model.modules():
        if isinstance(module, Convolution):
            INITIALISATIONS[name].draw(module, generator)


def _parameters(module: Convolution) -> list[Tensor]:
    return [parameter for parameter in (module.weight, module.bias) if parameter is not None]
