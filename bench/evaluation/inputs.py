"""What the scores of a given network depend on: part of what trials and evaluations are named by."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from bench.evaluation import scoring
from bench.evaluation.lesions import BOX_METRICS
from bench.evaluation.metrics import metrics
from bench.evaluation.scoring import TestData
from bench.evaluation.shifts import Shift
from datasets import boxes
from datasets.splits import splits
from registries import suite


def evaluation_inputs(
    test: TestData, shifts: Iterable[Shift], data: str, preparation: Mapping[str, Any], numerics: Mapping[str, Any]
) -> dict[str, Any]:
    """As JSON.

    Parameters
    ----------
    test : TestData
    shifts : iterable of Shift
    data : str
        Hash of the content of the volumes, or of what was simulated.
    preparation, numerics : mapping
        As in keys.
    """
    edits = suite.edits()
    return {
        "version": scoring.VERSION,
        "metrics": metrics.fingerprint(),
        "boxes": [BOX_METRICS, boxes.MARGIN, boxes.SHAMS, boxes.SIMILARITY],
        "data": data,
        "volumes": {name: [v.name for v in part] for name, part in test.splits.items()},
        "splits": [asdict(splits.get(name).identity) for name in test.splits],
        "slices": test.slices,
        "shifts": [asdict(shift.entry.identity) for shift in shifts],
        "annotations": {name: [asdict(row) for row in rows] for name, rows in test.annotations.items()},
        "preparation": preparation,
        "numerics": numerics,
        **({"edits": edits} if edits else {}),
    }
