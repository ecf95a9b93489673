"""What one finished trial came to, in one sentence."""

from collections.abc import Iterator

from leaderboards.rows.compare import Comparison
from leaderboards.rows.pair import paired_changes
from leaderboards.rows.rows import METRIC
from leaderboards.rows.soundness import unsound
from records.record import Record

TO_BEAT = {"cg_sense": "CG-SENSE", "empty": "`empty`"}
"""Whoever does not reach the better of them has learned nothing."""
LEVEL = 0.005
"""dB that two decimals do not show."""


def verdict(record: Record, dense: Record | None = None) -> str:
    """PSNR on each split against the better of CG-SENSE and `empty`, and against dense.

    Parameters
    ----------
    record : Record
        Of a finished trial.
    dense : Record, optional
        Its partner: see `dense_partner`. ``better`` and ``worse`` are said where the 95 % interval over patients leaves
        zero out.
    """
    changes = {one.condition.split: one for one in paired_changes(record, dense)} if dense else {}
    parts = (
        f"{split}: {', '.join([_against_baselines(record, split), *_against_dense(changes.get(split))])}"
        for split in record.splits
    )
    reason = unsound(record)
    caveat = f"; {reason}, so this says nothing about the method" if reason else ""
    return f"verdict on seed {record.seed} alone, PSNR (another seed may differ): {'; '.join(parts)}{caveat}"


def _against_baselines(record: Record, split: str) -> str:
    known = {
        words: record.baselines[name][split][METRIC]
        for name, words in TO_BEAT.items()
        if split in record.baselines.get(name, {})
    }
    if not known:
        return f"neither {' nor '.join(TO_BEAT.values())} to compare with"
    best = max(known, key=lambda words: known[words])
    change = record.metrics[split][METRIC] - known[best]
    return f"level with {best}" if abs(change) < LEVEL else f"{_amount(change, 'above', 'below')} {best}"


def _against_dense(change: Comparison | None) -> Iterator[str]:
    if change is None:
        return
    mean = float(change.estimate.mean)
    low, high = (float(end) for end in change.estimate.interval())
    flips = " (the sign flips after a least-squares scale per volume)" if change.flips else ""
    if change.estimate.patients == 1:
        yield f"{_amount(mean, 'above', 'below')} {change.b} on a single patient, which decides nothing{flips}"
    elif low <= 0 <= high:
        yield f"indistinguishable from {change.b}"
    else:
        yield f"{_amount(mean, 'better', 'worse')} than {change.b}{flips}"


def _amount(change: float, above: str, below: str) -> str:
    size = f"{abs(change):.2f}" if abs(change) >= LEVEL else "less than 0.01"
    return f"{size} dB {above if change > 0 else below}"
