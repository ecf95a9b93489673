"""More noise in what was measured; the target stays as it is."""

from dataclasses import replace

from datasets.samples import Preparation
from datasets.shifts.contract import Change, measurement


def _noisy(decibels: float) -> Change:
    def change(preparation: Preparation) -> Preparation:
        return replace(preparation, added_noise_snr=decibels)

    return change


for _decibels in (30, 20, 10):
    measurement(
        f"noise-{_decibels}",
        f"complex Gaussian noise added to the sampled k-space, {_decibels} dB below its mean power",
        _noisy(float(_decibels)),
        version=1,
        source="this project",
    )
