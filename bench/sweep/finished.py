"""Which cells are done already: here, or in records from other days and machines."""

from collections.abc import Iterable

from bench.trials.plan import PlannedTrial
from bench.trials.results import empty_record
from records.record import Record, present
from records.setting import trial_key


class Finished:
    """Finished trials of earlier sweeps, found by what was asked for.

    Only records of the same kind of device count: a row of another kind cannot be paired with the others.

    Parameters
    ----------
    records : iterable of Record
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._shifts: dict[str, list[frozenset[str]]] = {}
        for record in records:
            if record.ok:
                self._shifts.setdefault(trial_key(record), []).append(_shifts(record))

    def holds(self, planned: PlannedTrial) -> bool:
        """Whether a record is of this very trial, evaluated under all of its shifts."""
        if not self._shifts:
            return False
        wanted = empty_record(planned)
        return any(_shifts(wanted) <= shifts for shifts in self._shifts.get(trial_key(wanted), ()))


def _shifts(record: Record) -> frozenset[str]:
    return frozenset(present(record.trial.resolved.evaluation).shifts)
