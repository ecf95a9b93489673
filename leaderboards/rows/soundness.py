"""What says nothing about a method: seeds whose search failed, and conditions that the dense network fails."""

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean

from leaderboards.rows.rows import METRIC, Row
from records.record import Record, present
from records.row_name import RowName

MOST = 0.2
"""Share of a row's seeds; where more say nothing, the others are a selection and decide nothing."""


def unsound(record: Record) -> str | None:
    """Why a finished trial says nothing about its method: its mask was not found, or cuts the network.

    A mask cuts the network where it cuts every denoiser: past one of several, or a network of coil maps, the image
    still finds its way. Records of before these were looked at say nothing of them.
    """
    if record.elsewhere and record.mask is None:
        return None  # of weights from a file nobody knows how their mask was found
    mask = present(record.mask)
    cut = tuple(f"{name}." for name in mask.disconnected)
    denoisers = [layer.name for layer in mask.layers if layer.group == "denoiser"]
    if cut and all(name.startswith(cut) for name in denoisers):
        return "disconnected"
    if mask.search and mask.search.failed:
        return "search failed"
    return "search not converged" if mask.search and mask.search.not_converged else None


def verdicts_of(records: Iterable[Record], row: RowName) -> dict[int, str | None]:
    """Of each finished seed of a row, why it says nothing, or None."""
    return {record.seed: unsound(record) for record in records if record.ok and record.row == row}


def mostly_unsound(verdicts: Mapping[int, str | None]) -> bool:
    """Whether too many seeds say nothing for a verdict about the row."""
    return sum(reason is not None for reason in verdicts.values()) > MOST * len(verdicts)


def outcomes(verdicts: Mapping[int, str | None]) -> Iterator[str]:
    """``search failed in 1 of 10 seeds`` and the like."""
    reasons = [reason for reason in verdicts.values() if reason]
    for reason in sorted(set(reasons)):
        yield f"{reason} in {reasons.count(reason)} of {len(verdicts)} seeds"


def behind_cg_sense(dense: Row, split: str) -> str | None:
    """Words that say so where a dense network does not reach CG-SENSE: nothing is to be learned about it there."""
    pairs = [
        (record.metrics[split][METRIC], record.baselines["cg_sense"][split][METRIC])
        for record in dense.records.values()
        if split in record.metrics and "cg_sense" in record.baselines
    ]
    network, reference = (fmean(values) for values in zip(*pairs, strict=True)) if pairs else (0.0, 0.0)
    if network >= reference:
        return None
    return f"{dense.name} is below CG-SENSE on {split}, {network:.2f} against {reference:.2f} dB"
