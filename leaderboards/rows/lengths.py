"""Is a training long enough? Dense networks trained for several numbers of steps, judged on validation patients."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from records.record import Record, present
from records.row_name import DENSE

GATE = 0.1
"""dB on validation patients that count as a change."""
UNDER_TRAINED, TRAINED, OVERFITTING, UNKNOWN = "under-trained", "trained", "overfitting", "doubling not run"


@dataclass(frozen=True)
class Length:
    """Dense networks of an architecture that were trained for so many steps.

    Attributes
    ----------
    arch : str
    steps : int
    seeds : tuple of int
    psnr : float
        On validation patients at the end, mean over seeds, dB.
    validation_loss, training_loss : float or None
        On validation patients, and on as many batches of training patients; None in older records.
    test : mapping of str to float
        PSNR by split, mean over seeds, dB.
    state : str
        ``under-trained``: twice the steps bring 0.1 dB or more, over common seeds; ``overfitting``: fewer steps are
        better by as much; ``trained``: neither; ``doubling not run``.
    """

    arch: str
    steps: int
    seeds: tuple[int, ...]
    psnr: float
    validation_loss: float | None
    training_loss: float | None
    test: Mapping[str, float]
    state: str


def lengths_of(records: Iterable[Record]) -> tuple[Length, ...]:
    """By architecture and number of steps; of records of one size, training set, acceleration and device."""
    found: dict[tuple[str, int], dict[int, Record]] = {}
    for record in records:
        if _counts(record):
            steps = present(record.trial.resolved.budget)
            found.setdefault((record.trial.arch, steps), {})[record.seed] = record
    return tuple(_length(arch, steps, found) for arch, steps in sorted(found))


def _counts(record: Record) -> bool:
    """A plain dense network that was scored on validation patients, whose training differs in length alone."""
    plain = record.ok and record.trial.pruner == DENSE and not record.trial.control
    return plain and record.convergence is not None and set(record.trial.settings) <= {"train.steps"}


def _length(arch: str, steps: int, found: Mapping[tuple[str, int], Mapping[int, Record]]) -> Length:
    own = found[arch, steps]
    changes = {other: _change(found[arch, other], own) for name, other in found if name == arch and other != steps}
    return Length(
        arch,
        steps,
        tuple(sorted(own)),
        float(np.mean([_psnr(record) for record in own.values()])),
        _mean(present(record.convergence).validation_loss for record in own.values()),
        _mean(present(record.convergence).training_loss for record in own.values()),
        dict(_test(own)),
        _state(steps, {other: change for other, change in changes.items() if change is not None}),
    )


def _change(other: Mapping[int, Record], own: Mapping[int, Record]) -> float | None:
    """What another length brings over the seeds that both have, dB; None without any."""
    common = sorted(other.keys() & own.keys())
    return float(np.mean([_psnr(other[seed]) - _psnr(own[seed]) for seed in common])) if common else None


def _state(steps: int, changes: Mapping[int, float]) -> str:
    if any(change >= GATE for other, change in changes.items() if other < steps):
        return OVERFITTING
    if 2 * steps not in changes:
        return UNKNOWN
    return UNDER_TRAINED if changes[2 * steps] >= GATE else TRAINED


def _psnr(record: Record) -> float:
    return present(record.convergence).psnr_at_end


def _mean(losses: Iterable[float | None]) -> float | None:
    values = list(losses)
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _test(group: Mapping[int, Record]) -> Iterator[tuple[str, float]]:
    metrics = [record.metrics for record in group.values()]
    for split in metrics[0]:
        if all(split in by_split for by_split in metrics):
            yield split, float(np.mean([by_split[split]["psnr"] for by_split in metrics]))


def table(lengths: Iterable[Length]) -> list[list[str]]:
    """Cells, with a head."""
    lengths = list(lengths)
    splits = list(dict.fromkeys(split for one in lengths for split in one.test if "(" not in split))
    head = ["architecture", "steps", "seeds", "training loss", "validation loss", "validation PSNR", *splits, "state"]
    rows = [
        [
            one.arch,
            str(one.steps),
            str(len(one.seeds)),
            *("" if loss is None else f"{loss:.4f}" for loss in (one.training_loss, one.validation_loss)),
            f"{one.psnr:.2f}",
            *(f"{one.test[split]:.2f}" if split in one.test else "" for split in splits),
            one.state,
        ]
        for one in lengths
    ]
    return [head, *rows]
