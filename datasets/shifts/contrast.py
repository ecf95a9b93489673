"""A contrast that the network was not trained on."""

from datasets.shifts.contract import Member, Trained, Unfit, population
from datasets.volumes import Volume

CONTRASTS = {
    "pd": ("CORPD_FBK",),
    "pdfs": ("CORPDFS_FBK",),
    "t1": ("AXT1", "AXT1PRE", "AXT1POST"),
    "t2": ("AXT2",),
    "flair": ("AXFLAIR",),
}
"""fastMRI's names of acquisitions."""


def _of(acquisitions: tuple[str, ...]) -> tuple[Member, Unfit]:
    def member(volume: Volume, trained: Trained) -> bool:
        return volume.acquisition in acquisitions

    def unfit(trained: Trained) -> str | None:
        if trained.acquisitions is None:
            return "which contrasts the network was trained on is not recorded"
        known = sorted(trained.acquisitions.intersection(acquisitions))
        return f"the network was trained on {', '.join(known)}: a stratum, not a shift" if known else None

    return member, unfit


for _name, _acquisitions in CONTRASTS.items():
    population(
        f"contrast-{_name}",
        f"volumes of the acquisition {' or '.join(_acquisitions)}, for networks trained on others",
        *_of(_acquisitions),
        version=1,
        source="fastMRI's attribute 'acquisition' (Zbontar et al. 2018, arXiv:1811.08839)",
    )
