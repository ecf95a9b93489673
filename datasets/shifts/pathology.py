"""Findings, for a network that saw none in training."""

from datasets.shifts.contract import Trained, population
from datasets.volumes import Volume


def _member(volume: Volume, trained: Trained) -> bool:
    if trained.annotations is None or trained.anatomies is None:
        return False
    return volume.anatomy in trained.anatomies and trained.annotations.status(volume) == "finding"


def _unfit(trained: Trained) -> str | None:
    if not trained.clean:
        return (
            "the network was trained on volumes with findings, too: a stratum, not a shift (use --train-on knee-clean)"
        )
    return None if trained.annotations else "there are no fastMRI+ annotations"


population(
    "pathology",
    "volumes with a fastMRI+ finding, of the anatomy a network was trained on in volumes without any",
    _member,
    _unfit,
    version=1,
    source="fastMRI+ (Zhao et al. 2022, arXiv:2109.03812)",
)
