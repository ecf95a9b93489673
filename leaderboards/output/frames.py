"""Records as tables of pandas: one row per trial, or one per volume."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from records.record import Record
from records.setting import evaluated_on


def trials(records: Iterable[Record]) -> pd.DataFrame:
    """One row per record: what was asked for, what is kept, cost, and scores as ``SPLIT.METRIC``."""
    return pd.DataFrame([_row(record) for record in records])


def volumes(records: Iterable[Record]) -> pd.DataFrame:
    """One row per record, split, shift and volume, with all figures of merit."""
    return pd.DataFrame([{**_about(record), **one.model_dump()} for record in records for one in record.volumes])


def _about(record: Record) -> dict[str, Any]:
    trial = record.trial
    return {
        "row": str(record.row),
        **{name: getattr(trial, name) for name in ("arch", "size", "pruner", "timing")},
        "sparsity": float(trial.sparsity),
        **{name: getattr(trial, name) for name in ("control", "train_on", "acceleration", "seed", "protocol")},
        "track": trial.resolved.track,
        "evaluated_on": evaluated_on(record),
    }


def _row(record: Record) -> dict[str, Any]:
    mask, cost = record.mask, record.cost
    return {
        **_about(record),
        "status": record.status,
        "reason": record.reason,
        "density": 1 - mask.achieved if mask else None,
        "kept": mask.kept if mask else None,
        "parameters": mask.parameters if mask else None,
        "cost": cost.relative if cost else None,
        **{
            f"{split}.{name}": value for split, found in record.metrics.items() for name, value in found.metrics.items()
        },
    }
