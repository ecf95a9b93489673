"""fastMRI's PSNR."""

from fastmri import evaluate

from bench.evaluation.metrics.contract import metric
from bench.evaluation.metrics.volume import Pair


@metric(version=1, position=1, digits=3, source="fastmri.evaluate.psnr")
def psnr(pair: Pair) -> float:
    """Peak signal-to-noise ratio, dB, in the range of the volume's target."""
    return float(evaluate.psnr(pair.target, pair.image))
