"""SSIM of the object."""

from bench.evaluation.metrics.contract import metric
from bench.evaluation.metrics.volume import Pair


@metric(version=1, position=5, digits=4, source="this project")
def ssim_foreground(pair: Pair) -> float:
    """Local SSIM, mean where the target shows the object."""
    return float(pair.similarity[pair.inside].mean())
