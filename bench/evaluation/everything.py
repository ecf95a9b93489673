"""All scores of a network: on its test volumes, under shifts, volume by volume."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from tqdm import tqdm

from bench.evaluation.scoring import Metrics, Reconstruct, Scores, TestData, score, summarise
from bench.evaluation.shifts import Shift, shifted_scores
from bench.machine import signals
from datasets.volumes import Volume
from records.results import VolumeScores


class NetworkScores(NamedTuple):
    """Means by split, by split and shift, and the scores of every volume."""

    metrics: dict[str, Metrics]
    shifts: dict[str, dict[str, Metrics]]
    volumes: tuple[VolumeScores, ...]


def score_network(network: Reconstruct, test: TestData, shifts: Sequence[Shift]) -> NetworkScores:
    """Score a network on the test volumes and under each shift, with progress."""
    scores = score({"network": network}, test, partial(bar, "evaluating"))["network"]
    shifted = shifted_scores(network, shifts, scores, partial(bar, "evaluating shifts"))
    means: dict[str, dict[str, Metrics]] = {}
    volumes = [*volume_scores(None, test, scores)]
    for shift in shifts:
        volumes += volume_scores(shift.name, shift.test, shifted[shift.name])
        for split, values in summarise(shifted[shift.name], shift.test.splits).items():
            means.setdefault(split, {})[shift.name] = values
    return NetworkScores(summarise(scores, test.splits), means, tuple(volumes))


def volume_scores(shift: str | None, test: TestData, scores: Scores) -> tuple[VolumeScores, ...]:
    """Scores of every volume of every split."""
    return tuple(
        VolumeScores.model_validate(
            {
                "split": split,
                "shift": shift,
                "volume": volume.name,
                "patient": volume.patient,
                "anatomy": volume.anatomy,
                "acquisition": volume.acquisition,
                **scores[volume.name],
            }
        )
        for split, volumes in test.splits.items()
        for volume in volumes
    )


def bar(what: str, volumes: Sequence[Volume]) -> Iterable[Volume]:
    """The volumes with a progress bar; a signal that asks for it ends the work between two of them."""
    for volume in tqdm(volumes, desc=what, unit="volume", leave=False):
        signals.check()
        yield volume
