"""An anatomy that the network was not trained on."""

from datasets.shifts.contract import Trained, population
from datasets.volumes import Volume


def _member(volume: Volume, trained: Trained) -> bool:
    return volume.anatomy not in trained.anatomies


def _unfit(trained: Trained) -> str | None:
    return "the network was trained on both anatomies" if len(trained.anatomies) > 1 else None


population(
    "anatomy",
    "volumes of the anatomy that the network was not trained on",
    _member,
    _unfit,
    version=1,
    source="fastMRI (Zbontar et al. 2018, arXiv:1811.08839)",
)
