"""Proximal-gradient unrolling with a U-Net of its own in each iteration."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from architectures.contract import Architecture, architecture
from architectures.operators import NormalOperator, magnitude, sense_adjoint
from architectures.recompute import recomputed
from architectures.unet import NormalisedUNet, as_channels, as_complex


class UnrolledUNet(Architecture):
    """z = x − η_k Aᴴ(A x − y), x ← z + U_k(z), from x = Aᴴy.

    Parameters
    ----------
    channels, pools
        Of each U-Net U_k: see `NormalisedUNet`.
    unrolls : int
        Number of iterations.
    """

    gives_complex = True
    follows_scale = True

    def __init__(self, channels: float, pools: int, unrolls: int) -> None:
        super().__init__()
        self.unets = nn.ModuleList(NormalisedUNet(channels, pools) for _ in range(unrolls))
        self.step_sizes = nn.Parameter(torch.ones(unrolls))

    def groups(self) -> Mapping[str, nn.Module]:
        """The U-Nets."""
        return {"denoiser": self.unets}

    def denoisers(self) -> tuple[nn.Module, ...]:
        """The U-Nets."""
        return tuple(self.unets)

    def networks(self) -> Mapping[str, nn.Module]:
        """The U-Nets without their normalisation."""
        return {f"unets.{index}.unet": unet.get_submodule("unet") for index, unet in enumerate(self.unets)}

    def forward(self, kspace: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """Reconstruct; shapes as in `Architecture.forward`."""
        return magnitude(self.complex_image(kspace, mask, maps))

    def complex_image(self, kspace: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """The last iterate."""
        normal = NormalOperator.of(maps, mask)
        data = sense_adjoint(kspace, maps, mask)

        image = data
        for network, step in zip(self.unets, self.step_sizes, strict=True):
            moved = image - step * (normal(image) - data)
            channels = as_channels(moved)
            residual = recomputed(network, channels) if self.recompute else network(channels)
            image = moved + as_complex(residual)
        return image


@architecture(
    version=2,
    source="proximal-gradient unrolling after Hammernik et al. 2018, arXiv:1704.00447 and Mardani et al. 2018, "
    "arXiv:1806.03963; U-Nets of fastMRI; the combination is ours",
    sharing="nothing is shared",
    needs=("maps",),
    far_start="residual U-Nets of torch's start change an image by a third of its norm and more; "
    "--set init=normal-0.02 starts near the identity",
    sizes={
        "toy": {"channels": 4, "pools": 2, "unrolls": 2},
        "demo": {"channels": 8, "pools": 2, "unrolls": 4},
        "mini": {"channels": 8, "pools": 2, "unrolls": 8},
        "paper": {"channels": 18, "pools": 4, "unrolls": 12},
    },
)
def unrolled_unet(channels: float, pools: int, unrolls: int) -> UnrolledUNet:
    """Proximal gradient in image space, one U-Net per iteration, learned step sizes."""
    return UnrolledUNet(channels, pools, unrolls)
