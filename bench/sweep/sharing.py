"""Which stages the trials of a sweep share, and which trials may run side by side so that none is computed twice."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.trials.plan import PlannedTrial, stage_keys
from pruners import Stage


@dataclass(frozen=True)
class Shared:
    """Stages before and after sharing.

    Attributes
    ----------
    stages : int
        Of all trials, each on its own.
    distinct : mapping of str to (PlannedTrial, Stage)
        By key, with a trial that has it.
    """

    stages: int
    distinct: Mapping[str, tuple[PlannedTrial, Stage]]


def share(trials: Iterable[PlannedTrial]) -> Shared:
    """Count the stages of trials."""
    number, distinct = 0, dict[str, tuple[PlannedTrial, Stage]]()
    for planned in trials:
        stages = planned.resolved.stages
        number += len(stages)
        for key, stage in zip(stage_keys(planned), stages, strict=True):
            distinct.setdefault(key, (planned, stage))
    return Shared(number, distinct)


class Queue:
    """Pending trials in order; a trial waits while another one computes a stage that it needs.

    Parameters
    ----------
    needs : sequence of tuple of str
        For each trial, the keys of all that it computes unless the store holds it.
    """

    def __init__(self, needs: Sequence[tuple[str, ...]]) -> None:
        self._needs = needs
        self._pending = list(range(len(needs)))
        self._running: dict[int, frozenset[str]] = {}
        self._known: set[str] = set()

    @property
    def empty(self) -> bool:
        """Whether nothing is pending."""
        return not self._pending

    @property
    def busy(self) -> frozenset[str]:
        """Keys that running trials compute, as far as they are not known to be in the store."""
        return frozenset().union(*self._running.values()) - self._known

    def know(self, keys: Iterable[str]) -> None:
        """These are in the store."""
        self._known.update(keys)

    def next(self) -> int | None:
        """The first trial that may start now, which counts as running from here on; None if each one has to wait."""
        busy = self.busy
        for number in self._pending:
            missing = frozenset(key for key in self._needs[number] if key not in self._known)
            if not missing & busy:
                self._pending.remove(number)
                self._running[number] = missing
                return number
        return None

    def done(self, number: int) -> None:
        """A trial ended; whatever it needed is in the store now."""
        self._known.update(self._running.pop(number))

    def again(self, number: int) -> None:
        """A trial was broken off and is the first to start again."""
        del self._running[number]
        self._pending.insert(0, number)

    def give_up(self, number: int) -> None:
        """A trial failed; others may have to compute what it did not."""
        del self._running[number]
