"""fastMRI's SSIM."""

from fastmri import evaluate

from bench.evaluation.metrics.contract import metric
from bench.evaluation.metrics.volume import Pair


@metric(version=1, position=2, digits=4, source="fastmri.evaluate.ssim")
def ssim(pair: Pair) -> float:
    """Structural similarity, mean over the slices."""
    return float(evaluate.ssim(pair.target, pair.image).item())
