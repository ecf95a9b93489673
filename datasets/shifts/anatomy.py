"""An anatomy that the network was not trained on."""

from datasets.shifts.contract import Trained, population
from datasets.volumes import Volume


def _member(volume: Volume, trained: Trained) -> bool:
    return trained.anatomies is not None and volume.anatomy not in trained.anatomies


def _unfit(trained: Trained) -> str | None:
    if trained.anatomies is None:
        return "what the network was trained on is not recorded"
    return "the network was trained on both anatomies" if len(trained.anatomies) > 1 else None


population(
    "anatomy",
    "volumes of the anatomy that the network was not trained on",
    _member,
    _unfit,
    version=1,
    source="fastMRI (Zbontar et al. 2018, arXiv:1811.08839)",
)
