"""Two records of one trial, field by field: everything that a board shows."""

from collections.abc import Iterator
from typing import Any

from records.record import Record

DECIBELS = 0.01
"""For equal weights or equal numerics."""
SHARE = 1e-3
"""Of any other figure."""
ESTIMATED = 0.02
"""Of a cost that is foreseen and not carried out."""
SINCE = ("trial.resolved.init",)
"""What older records do not say."""
ELSEWHERE = ("schema", "status", "reason", "trial", "provenance")
"""Settings, data and code are compared before anything is run."""


def differing_fields(record: Record, again: Record, cost_tolerance: float = 0.0) -> Iterator[str]:
    """Fields in which two records differ, in words, in the order of the record.

    Parameters
    ----------
    record, again : Record
    cost_tolerance : float
        Relative, of the costs of the stages.
    """
    before, after = (dict(_leaves(one)) for one in (record, again))
    for name in dict.fromkeys([*before, *(name for name in after if name not in SINCE)]):
        own, other = before.get(name), after.get(name)
        if not _close(name, own, other, cost_tolerance):
            yield f"{name}: {_text(own)} in the record, {_text(other)} now"


def _leaves(record: Record) -> Iterator[tuple[str, Any]]:
    content = record.canonical()
    resolved = content["trial"]["resolved"]
    if "init" in resolved:  # older records leave it to the entry
        yield "trial.resolved.init", resolved["init"]
    yield "trial.resolved.evaluation.shifts", ", ".join(resolved.get("evaluation", {}).get("shifts", ()))
    for key in ELSEWHERE:
        del content[key]
    for volume in content.pop("volumes"):
        place = " · ".join(str(volume.pop(key)) for key in ("split", "shift", "volume"))
        yield from _walk(f"volumes, {place}, ", volume)
    yield from _walk("", content)


def _walk(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _walk(f"{where}.{key}" if where and not where.endswith(" ") else f"{where}{key}", part)
    elif isinstance(value, list):
        yield f"{where}.length", len(value)
        for number, part in enumerate(value):
            yield from _walk(f"{where}.{number}", part)
    else:
        yield where, value


def _close(name: str, own: Any, other: Any, cost_tolerance: float) -> bool:
    numbers = [isinstance(one, int | float) and not isinstance(one, bool) for one in (own, other)]
    if not all(numbers):
        return bool(own == other)
    if name.startswith(("cost.stages", "cost.relative")):
        return bool(abs(own - other) <= cost_tolerance * max(abs(own), abs(other)))
    if isinstance(own, int) and isinstance(other, int):
        return own == other
    if "psnr" in name.rpartition(".")[2]:
        return bool(abs(own - other) <= DECIBELS)
    return bool(abs(own - other) <= SHARE * max(abs(own), abs(other)) + 1e-9)


def _text(value: Any) -> str:
    return "nothing" if value is None else f"{value:.8g}" if isinstance(value, float) else str(value)
