"""Fewer coils."""

from dataclasses import replace

from datasets.samples import Preparation
from datasets.shifts.contract import Change, measurement


def _compressed(coils: int) -> Change:
    def change(preparation: Preparation) -> Preparation:
        return replace(preparation, virtual_coils=coils)

    return change


for _coils in (2, 4):
    measurement(
        f"coils-{_coils}",
        f"compressed to {_coils} virtual coils (where there are more)",
        _compressed(_coils),
        version=1,
        source="Huang et al. 2008, doi:10.1016/j.mri.2007.04.010",
    )
