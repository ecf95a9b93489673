"""Another sampling pattern at the same acceleration."""

from dataclasses import replace

from datasets.samples import Preparation
from datasets.shifts.contract import Change, measurement
from datasets.undersampling import PATTERNS


def _patterned(pattern: str) -> Change:
    def change(preparation: Preparation) -> Preparation:
        return replace(preparation, undersampling=replace(preparation.undersampling, pattern=pattern))

    return change


for _name, _pattern in PATTERNS.items():
    measurement(f"pattern-{_name}", _pattern.summary, _patterned(_name), version=1, source=_pattern.source)
