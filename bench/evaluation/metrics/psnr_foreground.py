"""PSNR of the object."""

from fastmri import evaluate

from bench.evaluation.metrics.contract import metric
from bench.evaluation.metrics.volume import Pair


@metric(version=1, position=4, digits=3, source="this project")
def psnr_foreground(pair: Pair) -> float:
    """PSNR where the target shows the object, dB, in the same range."""
    return float(evaluate.psnr(pair.target[pair.inside], pair.image[pair.inside], pair.target.max()))
