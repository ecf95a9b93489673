"""fastMRI's NMSE."""

from fastmri import evaluate

from bench.evaluation.metrics.contract import metric
from bench.evaluation.metrics.volume import Pair


@metric(version=1, position=3, digits=5, source="fastmri.evaluate.nmse")
def nmse(pair: Pair) -> float:
    """Squared error over the squared norm of the target."""
    return float(evaluate.nmse(pair.target, pair.image))
