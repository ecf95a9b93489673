"""PSNR without the scale."""

from fastmri import evaluate

from bench.evaluation.metrics.contract import metric
from bench.evaluation.metrics.volume import Pair, least_squares_scale


@metric(version=1, position=7, digits=3, source="this project")
def psnr_scaled(pair: Pair) -> float:
    """PSNR after one least-squares scale for the volume, dB: for networks that miss the brightness alone."""
    return float(evaluate.psnr(pair.target, least_squares_scale(pair.target, pair.image) * pair.image))
