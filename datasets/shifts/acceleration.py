"""Another acceleration; the centre shrinks or grows with it."""

from dataclasses import replace

from datasets.samples import Preparation
from datasets.shifts.contract import Change, measurement


def _accelerated(factor: int) -> Change:
    def change(preparation: Preparation) -> Preparation:
        return replace(preparation, undersampling=replace(preparation.undersampling, acceleration=factor))

    return change


for _factor in (2, 4, 6, 8):
    measurement(
        f"acceleration-{_factor}",
        f"{_factor}× undersampled",
        _accelerated(_factor),
        version=1,
        source="Zbontar et al. 2018, arXiv:1811.08839; centre fraction 0.32 / acceleration",
    )
