"""Reconstructions of several rows side by side, with their errors."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from records.examples import CG_SENSE, NETWORK, TARGET, ZERO_FILLED, Example, read_examples
from records.pictures import comparison

SHARED = (TARGET, ZERO_FILLED, CG_SENSE)
"""Images that do not depend on the row."""
ROUNDING = 1e-3
"""Of the maximum."""


def examples_of(folder: Path) -> dict[str, dict[str, Example]]:
    """Examples by row name and split.

    Raises
    ------
    RequestError
        Naming the file that cannot be read.
    """
    return {path.stem.replace("__", "/"): read_examples(path) for path in sorted(folder.glob("*.safetensors"))}


def reconstructions(examples: Mapping[str, Mapping[str, Example]], split: str) -> Figure | None:
    """Target and baselines, then each row in the given order; a block for each slice that the rows show."""
    blocks: list[dict[str, Example]] = []
    for name, found in examples.items():
        if split not in found or NETWORK not in found[split].images:
            continue
        own = found[split]
        block = next((one for one in blocks if _same_slice(next(iter(one.values())), own)), None)
        if block is None:
            blocks.append(block := {})
        block[name] = own
    return comparison([_side_by_side(block) for block in blocks], "") if blocks else None


def _same_slice(one: Example, other: Example) -> bool:
    """Of equal targets, as far as machines that simulate the same data agree."""
    if one.target is None or other.target is None or one.shape != other.shape:
        return False
    return bool(np.abs(one.target - other.target).max() <= ROUNDING * one.target.max())


def _side_by_side(rows: Mapping[str, Example]) -> Example:
    """One example of many: what they share, then the network of each under its name."""
    found = tuple(rows.values())
    place = next((own for own in found if own.scores), found[0])  # those of older trials name neither file nor region
    images = {name: own.images[name] for own in reversed(found) for name in SHARED if name in own.images}
    scores = {name: own.scores[name] for own in reversed(found) for name in SHARED if name in own.scores}
    return replace(
        place,
        images={name: images[name] for name in SHARED if name in images}
        | {name: own.images[NETWORK] for name, own in rows.items()},
        scores=scores | {name: own.scores[NETWORK] for name, own in rows.items() if NETWORK in own.scores},
    )
