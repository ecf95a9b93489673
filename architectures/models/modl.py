"""MoDL: one small CNN, shared by all unrolls, between conjugate-gradient data consistency."""

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from architectures.contract import Architecture, architecture
from architectures.operators import NormalOperator, magnitude, sense_adjoint
from architectures.recompute import recomputed
from architectures.solver import solve
from architectures.unet import as_channels, as_complex
from registries.bounds import Bounds


class ConvolutionalDenoiser(nn.Module):
    """Residual CNN N(x) on the two channels (real, imaginary) of a complex image.

    Parameters
    ----------
    channels : float
        Mean width; layers of a fraction are rounded so that their sum stays.
    layers : int
        Number of 3 × 3 convolutions, with ReLU between them.
    """

    def __init__(self, channels: float, layers: int) -> None:
        super().__init__()
        sums = [round(channels * layer) for layer in range(layers)]
        widths = [2, *[max(1, after - before) for before, after in pairwise(sums)], 2]
        modules: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            modules += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*modules[:-1])

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 2, H, W)`` to the same."""
        residual: Tensor = self.layers(image)
        return residual


class ChangeOf(nn.Module):
    """N(x) = D(x) − x of a network D that gives the image itself, so that x + N(x) = D(x).

    Zeroing the output of this module makes the denoiser the identity, as for networks that are residual.

    Parameters
    ----------
    network : Module
        D, ``(B, 2, H, W)`` to the same.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 2, H, W)`` to the same."""
        change: Tensor = self.network(image) - image
        return change


class MoDL(Architecture):
    """x ← argmin ‖A x − y‖² + λ‖x − (x + N(x))‖², ``unrolls`` times from x = Aᴴy.

    Parameters
    ----------
    denoiser : Module
        N, ``(B, 2, H, W)`` to the same, shared by all unrolls; `ChangeOf` a network that gives the image itself.
    unrolls, iterations : int
        Number of unrolls, and of conjugate-gradient steps in each; they start at the denoised image.
    initial_lambda : float
        λ at the start.
    fixed_lambda : bool
        Whether λ stays as it is instead of being learned.
    """

    gives_complex = True
    INITIAL_LAMBDA = 0.05

    def __init__(
        self,
        denoiser: nn.Module,
        unrolls: int,
        iterations: int,
        initial_lambda: float = INITIAL_LAMBDA,
        fixed_lambda: bool = False,
    ) -> None:
        super().__init__()
        Bounds(1e-12, 1e6).check(initial_lambda, "--set arch.initial_lambda")
        self.denoiser = denoiser
        self.unrolls = unrolls
        self.iterations = iterations
        start = torch.tensor(math.log(initial_lambda))
        self.log_lambda: Tensor
        if fixed_lambda:
            self.register_buffer("log_lambda", start)
        else:
            self.log_lambda = nn.Parameter(start)

    def groups(self) -> Mapping[str, nn.Module]:
        """The one denoiser."""
        return {"denoiser": self.denoiser}

    def denoisers(self) -> tuple[nn.Module, ...]:
        """The one denoiser."""
        return (self.denoiser,)

    def networks(self) -> Mapping[str, nn.Module]:
        """The one denoiser."""
        if isinstance(self.denoiser, ChangeOf):
            return {"denoiser.network": self.denoiser.network}
        return {"denoiser": self.denoiser}

    def forward(self, kspace: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """Reconstruct; shapes as in `Architecture.forward`."""
        return magnitude(self.complex_image(kspace, mask, maps))

    def complex_image(self, kspace: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """The last iterate."""
        weight = self.log_lambda.exp()
        normal = NormalOperator.of(maps, mask)
        data = sense_adjoint(kspace, maps, mask)

        image = data
        for _ in range(self.unrolls):
            channels = as_channels(image)
            change = recomputed(self.denoiser, channels) if self.recompute else self.denoiser(channels)
            denoised = image + as_complex(change)
            inputs = denoised, normal, data, weight, self.iterations
            image = recomputed(consistent, *inputs) if self.recompute else consistent(*inputs)
        return image


def consistent(denoised: Tensor, normal: NormalOperator, data: Tensor, weight: Tensor, iterations: int) -> Tensor:
    """argmin ‖A x − y‖² + λ‖x − z‖² from x = z: see `MoDL`.

    Parameters
    ----------
    denoised, data : Tensor
        z, and Aᴴy; ``(B, H, W)`` complex.
    normal : NormalOperator
        AᴴA.
    weight : Tensor
        λ.
    iterations : int
    """
    return solve(normal, weight, data + weight * denoised, denoised, iterations)


@architecture(
    version=1,
    source="Aggarwal, Mani, Jacob 2019, arXiv:1712.02862; without its batch normalisation, λ positive by exp",
    sharing="the denoiser is shared by all unrolls",
    needs=("maps",),
    sizes={
        "toy": {"channels": 4, "layers": 3, "unrolls": 2, "iterations": 2},
        "demo": {"channels": 32, "layers": 5, "unrolls": 4, "iterations": 5},
        "mini": {"channels": 32, "layers": 5, "unrolls": 4, "iterations": 5},
        "paper": {"channels": 64, "layers": 5, "unrolls": 10, "iterations": 10},
    },
)
def modl(
    channels: float,
    layers: int,
    unrolls: int,
    iterations: int,
    initial_lambda: float = MoDL.INITIAL_LAMBDA,
    fixed_lambda: bool = False,
) -> MoDL:
    """MoDL: a small residual CNN shared by all unrolls, conjugate-gradient data consistency, learned λ.

    Parameters
    ----------
    channels, layers
        Of the denoiser: see `ConvolutionalDenoiser`.
    unrolls, iterations : int
        Number of unrolls, and of conjugate-gradient steps in each.
    initial_lambda : float
        Weight λ of the denoised image against the data, at the start.
    fixed_lambda : bool
        Keep λ as it is instead of learning it.
    """
    return MoDL(ConvolutionalDenoiser(channels, layers), unrolls, iterations, initial_lambda, fixed_lambda)
