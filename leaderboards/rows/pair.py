"""Paired change of one trial against another on the same volumes."""

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t

from records.record import FILE, Record
from registries import RequestError

SAME = ("arch", "size", "train_on", "acceleration", "seed", "protocol")


def dense_partner(folder: Path, record: Record) -> Record | None:
    """The dense record in an output folder that shares everything but pruning with this one.

    Records that cannot be read are no partners.
    """
    if record.trial["pruner"] == "dense":
        return None
    for path in sorted(folder.glob(f"{record.trial['arch']}-dense*/{FILE}")):
        try:
            other = Record.read(path)
        except RequestError:
            continue
        if other.ok and _is_partner(other, record):
            return other
    return None


def paired_differences(record: Record, other: Record, metric: str) -> dict[str, list[float]]:
    """Differences record − other of a metric by split, one per patient: the mean over the patient's volumes."""
    reference = {(row["split"], row["volume"]): row[metric] for row in _usual(other)}
    by_patient: dict[str, dict[str, list[float]]] = {}
    for row in _usual(record):
        difference = row[metric] - reference[row["split"], row["volume"]]
        by_patient.setdefault(row["split"], {}).setdefault(row["patient"], []).append(difference)
    return {split: [fmean(values) for values in patients.values()] for split, patients in by_patient.items()}


def interval(differences: list[float], confidence: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the mean over patients; infinite for a single one."""
    mean, number = fmean(differences), len(differences)
    if number < 2:
        return -float("inf"), float("inf")
    half = float(t.ppf(0.5 + confidence / 2, number - 1)) * stdev(differences) / number**0.5
    return mean - half, mean + half


def paired_lines(record: Record, other: Record) -> Iterator[str]:
    """The paired change in PSNR by split, in words: it concerns these two trained networks alone."""
    yield f"paired change against {other.trial['arch']}/dense, PSNR dB, conditional on these trained networks:"
    for split, differences in paired_differences(record, other, "psnr").items():
        low, high = interval(differences)
        spread = (
            f"95 % interval over patients {low:+.3f} to {high:+.3f}" if len(differences) > 1 else "a single patient"
        )
        yield f"  {split}: {fmean(differences):+.3f} ({spread}, n = {len(differences)} patients)"


def _usual(record: Record) -> list[dict[str, Any]]:
    """Rows under the condition of the training; shifts are for `compare`."""
    return [row for row in record.content["volumes"] if row["shift"] is None]


def _resolved(record: Record) -> dict[str, Any]:
    """What must be equal besides; an equal total leaves each row steps of its own."""
    found = {"variant": {}, **record.trial["resolved"]}
    found.pop("init", None)  # that of the variant, or declared
    found["evaluation"] = {name: value for name, value in found["evaluation"].items() if name != "shifts"}
    free = ("steps", "weight_decay") if record.trial["protocol"] == "equal-total" else ()
    return {**found, "training": {name: value for name, value in found["training"].items() if name not in free}}


def _is_partner(other: Record, record: Record) -> bool:
    numerics = [r.content["provenance"]["numerics"] for r in (other, record)]
    data = [r.content["provenance"]["data"]["identity"] for r in (other, record)]
    volumes = [{(row["split"], row["volume"]) for row in _usual(r)} for r in (other, record)]
    same_trial = all(other.trial[key] == record.trial[key] for key in SAME) and _resolved(other) == _resolved(record)
    if "dense_weights" in record.trial["options"] or other.trial["control"] is not None:
        return False
    return same_trial and numerics[0] == numerics[1] and data[0] == data[1] and volumes[0] == volumes[1]
