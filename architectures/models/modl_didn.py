"""MoDL with DIDN for denoiser."""

from architectures.contract import architecture
from architectures.didn import DIDN
from architectures.models.modl import MoDL


@architecture(
    version=1,
    source="Aggarwal et al. 2019, arXiv:1712.02862, with DIDN (Yu, Park, Jeong 2019, CVPR Workshops) as denoiser, as "
    "in public MoDL code of the authors of PUN (arXiv:2412.18668), which has λ = 1, fixed; that PUN itself used it is "
    "our inference",
    sharing="the DIDN is shared by all unrolls",
    needs=("maps",),
    init="normal-0.02",
    sizes={
        "toy": {"channels": 4, "blocks": 1, "unrolls": 2, "iterations": 2},
        "demo": {"channels": 12, "blocks": 2, "unrolls": 3, "iterations": 5},
        "mini": {"channels": 16, "blocks": 2, "unrolls": 3, "iterations": 5},
        "paper": {"channels": 64, "blocks": 3, "unrolls": 8, "iterations": 10},
    },
)
def modl_didn(
    channels: float,
    blocks: int,
    unrolls: int,
    iterations: int,
    initial_lambda: float = MoDL.INITIAL_LAMBDA,
    fixed_lambda: bool = False,
) -> MoDL:
    """MoDL with one DIDN, residual around the image, shared by all unrolls as denoiser.

    Parameters
    ----------
    channels, blocks
        Of the denoiser: see `DIDN`.
    unrolls, iterations : int
        Number of unrolls, and of conjugate-gradient steps in each.
    initial_lambda : float
        Weight λ of the denoised image against the data, at the start.
    fixed_lambda : bool
        Keep λ as it is instead of learning it.
    """
    return MoDL(DIDN(channels, blocks), unrolls, iterations, initial_lambda, fixed_lambda)
