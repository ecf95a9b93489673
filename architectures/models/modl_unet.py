"""MoDL with a U-Net for denoiser: the over-parameterised end of the comparison."""

from architectures.contract import architecture
from architectures.models.modl import ChangeOf, MoDL
from architectures.unet import PlainUNet


@architecture(
    version=2,
    source="Aggarwal et al. 2019, arXiv:1712.02862, with the U-Net of fastMRI (Zbontar et al. 2018) as denoiser, which "
    "gives the image itself, as in public MoDL code of the authors of PUN (arXiv:2412.18668), which has λ = 0.1, "
    "fixed; that PUN itself used it is our inference",
    sharing="the U-Net is shared by all unrolls",
    needs=("maps",),
    init="normal-0.02",
    sizes={
        "toy": {"channels": 4, "pools": 2, "unrolls": 2, "iterations": 4},
        "demo": {"channels": 12, "pools": 2, "unrolls": 3, "iterations": 5},
        "mini": {"channels": 16, "pools": 3, "unrolls": 3, "iterations": 5},
        "paper": {"channels": 64, "pools": 4, "unrolls": 6, "iterations": 10},
    },
)
def modl_unet(
    channels: float,
    pools: int,
    unrolls: int,
    iterations: int,
    residual: bool = False,
    initial_lambda: float = MoDL.INITIAL_LAMBDA,
    fixed_lambda: bool = False,
) -> MoDL:
    """MoDL with one U-Net, which gives the image itself, shared by all unrolls as denoiser.

    Parameters
    ----------
    channels, pools
        Of the denoiser: see `PlainUNet`.
    unrolls, iterations : int
        Number of unrolls, and of conjugate-gradient steps in each.
    residual : bool
        Let the U-Net give the change of the image instead of the image itself.
    initial_lambda : float
        Weight λ of the denoised image against the data, at the start.
    fixed_lambda : bool
        Keep λ as it is instead of learning it.
    """
    network = PlainUNet(channels, pools)
    return MoDL(network if residual else ChangeOf(network), unrolls, iterations, initial_lambda, fixed_lambda)
