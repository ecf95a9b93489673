"""NMSE of the object."""

from fastmri import evaluate

from bench.evaluation.metrics.contract import metric
from bench.evaluation.metrics.volume import Pair


@metric(version=1, position=6, digits=5, source="this project")
def nmse_foreground(pair: Pair) -> float:
    """NMSE where the target shows the object."""
    return float(evaluate.nmse(pair.target[pair.inside], pair.image[pair.inside]))
