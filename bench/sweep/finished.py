"""Which cells are done already: here, or in records from other days and machines."""

from collections.abc import Iterable

from bench.trials.plan import PlannedTrial
from bench.trials.run import skeleton
from records.record import Record, asked


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
                shifts = frozenset(record.trial["resolved"]["evaluation"]["shifts"])
                self._shifts.setdefault(asked(record.content), []).append(shifts)

    def holds(self, planned: PlannedTrial) -> bool:
        """Whether a record is of this very trial, evaluated under all of its shifts."""
        content = skeleton(planned)
        wanted = set(content["trial"]["resolved"]["evaluation"]["shifts"])
        return any(wanted <= shifts for shifts in self._shifts.get(asked(content), ()))
