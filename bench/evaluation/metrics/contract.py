"""How a metric is registered, and all of them of one volume."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.evaluation.metrics.volume import Image, Pair
from registries import Identity, Registry, identify
from registries.identity import BUILT_IN
from registries.registry import key_of, summary_of

MAIN = ("psnr", "ssim", "nmse")
"""fastMRI's own, in every table of a run."""
Measure = Callable[[Pair], float]


@dataclass(frozen=True)
class MetricEntry:
    """A registered metric.

    Attributes
    ----------
    name, summary, source : str
    identity : Identity
    measure : callable
        ``pair -> value``, of one volume.
    position : int
        Among the others, in records and tables.
    digits : int
        After the decimal point, for people.
    """

    name: str
    summary: str
    source: str
    identity: Identity
    measure: Measure
    position: int
    digits: int

    def text(self, value: float) -> str:
        """A value for people."""
        return f"{value:.{self.digits}f}"


class MetricRegistry(Registry[MetricEntry]):
    """Metrics by name."""

    def ordered(self) -> tuple[MetricEntry, ...]:
        """By their position."""
        return tuple(sorted(self, key=lambda entry: (entry.position, entry.name)))

    def fingerprint(self) -> list[str]:
        """Which scores there are, for keys: names in order, with version and origin where these are not the first."""
        return [_words(entry.identity) for entry in self.ordered()]


def _words(identity: Identity) -> str:
    version = f" {identity.version}" if identity.version != 1 else ""
    return identity.name + version + ("" if identity.origin == BUILT_IN else f" {identity.origin}")


metrics = MetricRegistry("metric", "bench.evaluation.metrics")


def metric(*, version: int, source: str, position: int, digits: int = 4) -> Callable[[Measure], Measure]:
    """Register the function below as a metric."""

    def register(measure: Measure) -> Measure:
        name = key_of(measure).replace("-", "_")
        identity = identify(name, version, measure)
        metrics.add(MetricEntry(name, summary_of(measure), source, identity, measure, position, digits))
        return measure

    return register


def volume_metrics(target: Image, image: Image) -> dict[str, float | None]:
    """All metrics of a volume by name.

    Parameters
    ----------
    target, image : ndarray
        ``(slices, rows, columns)`` in the same units.
    """
    pair = Pair.of(target, image)
    return {entry.name: float(entry.measure(pair)) for entry in metrics.ordered()}
