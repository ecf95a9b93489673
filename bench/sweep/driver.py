"""The loop of a sweep: start what may start, note what ends, leave in good order."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from bench.machine import signals
from bench.sweep.cells import Cell, skipped_record
from bench.sweep.finished import Finished
from bench.sweep.lock import check_held
from bench.sweep.sharing import Queue
from bench.sweep.status import OUTCOMES, Status, summary
from bench.sweep.task import Result, Task
from bench.tracks.track import Track
from bench.trials.plan import PlannedTrial, stage_keys
from bench.trials.results import empty_record
from bench.trials.run import fail
from records.record import FILE, Record
from records.setting import trial_key
from registries import RequestError
from registries.text import plural

ATTEMPTS = 5
"""How often a trial whose process dies is started before it counts as failed."""
STATUS_SECONDS = 1.0
ROOMS: tuple[Mapping[str, bool], ...] = ({}, {"alone": True}, {"alone": True, "recompute": True})
"""How a trial that finds no room on its GPU is tried, one after the other, before it has failed."""
ROOM_WORDS = ("among others", "alone on its GPU", "alone on its GPU and with recomputation")


class Executor(Protocol):
    """Where trials are carried out."""

    @property
    def free(self) -> int:
        """How many more trials can start now."""

    @property
    def packs(self) -> bool:
        """Whether several trials may be on one GPU."""

    def submit(self, number: int, task: Task) -> None:
        """Start a trial under a number of the caller's."""

    def wait(self, seconds: float) -> list[tuple[int, Result | None]]:
        """Trials that ended, after at most so many seconds; None where the process died."""

    def interrupt(self) -> None:
        """Ask all trials to write a checkpoint and leave."""

    def close(self) -> None:
        """End all processes."""


@dataclass
class Sweep:
    """A sweep under way.

    Attributes
    ----------
    cells : sequence of Cell
    plugins : mapping of str to str
        Files, and the SHA-256 of what was run of each.
    outcomes : list of str
        One of `OUTCOMES` for each cell.
    """

    track: Track
    cells: Sequence[Cell]
    out: Path
    plugins: Mapping[str, str]
    outcomes: list[str] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)

    def inventory(self, finished: Finished, retry_failed: bool) -> None:
        """Find out what is done already."""
        for number, cell in enumerate(self.cells):
            if cell.planned is None:
                self.outcomes.append("skipped")
            elif finished.holds(cell.planned):
                self.outcomes.append("recorded")
            else:
                self.outcomes.append(self._recorded_here(number, cell.planned, retry_failed))

    @property
    def pending(self) -> list[Cell]:
        """Those still to be carried out."""
        return [cell for cell, outcome in zip(self.cells, self.outcomes, strict=True) if outcome == "pending"]

    def _recorded_here(self, number: int, planned: PlannedTrial, retry_failed: bool) -> str:
        path = planned.folder / FILE
        try:
            record = Record.read(path)
        except RequestError:  # absent, or damaged
            return "pending"
        if record.ok and trial_key(record) != trial_key(empty_record(planned)):  # copied from elsewhere
            return "pending"
        if record.status == "failed":
            if retry_failed:
                return "pending"
            self.reasons[number] = str(record.reason)
        return record.status

    def record_skipped(self) -> None:
        """Write the records of cells that do not exist."""
        for cell in self.cells:
            if cell.planned is None:
                skipped_record(cell, self.track).write(cell.folder / FILE)

    def counts(self) -> dict[str, int]:
        """Number of cells by outcome."""
        return {name: self.outcomes.count(name) for name in OUTCOMES}

    def run(self, executor: Executor) -> bool:
        """Carry out all pending cells.

        Returns
        -------
        bool
            False if it was interrupted.

        Raises
        ------
        RequestError
            If the sweep cannot go on, for instance because the disk is full.
        """
        numbers = [number for number, outcome in enumerate(self.outcomes) if outcome == "pending"]
        needs = [stage_keys(planned) for number in numbers if (planned := self.cells[number].planned)]
        queue = Queue(needs)
        loop = _Loop(self, executor, queue, numbers)
        try:
            to_the_end = loop.run()
        except BaseException:
            executor.interrupt()
            executor.close()
            with suppress(OSError, RequestError):  # of a machine that fails
                check_held(self.out / ".store")
                self.write_status({}, None)
            raise
        executor.close()
        self.write_status({}, None)
        return to_the_end

    def write_status(self, running: dict[str, float], left: float | None) -> None:
        """Leave where the sweep stands for other processes: names under way since when, and seconds left."""
        failed = {self.cells[number].name: reason for number, reason in self.reasons.items()}
        Status(self.track.name, self.counts(), running, failed, left, time.time()).write(self.out)


class _Loop:
    """One call of `Sweep.run`; trials are numbered as in the queue."""

    def __init__(self, sweep: Sweep, executor: Executor, queue: Queue, numbers: Sequence[int]) -> None:
        self.sweep, self.executor, self.queue, self.numbers = sweep, executor, queue, numbers
        self.store = sweep.out / ".store"
        self.running: dict[int, float] = {}
        self.attempts = [0] * len(numbers)
        self.rooms = [0] * len(numbers)
        self.ended = 0
        self.begun = time.monotonic()
        self.leaving = False
        self.lost: list[str] = []

    def run(self) -> bool:
        written = 0.0
        with suppress(FileNotFoundError):  # nothing was kept yet
            self.queue.know(path.name for path in os.scandir(self.store))
        with tqdm(total=len(self.numbers), desc=self.sweep.track.name, unit="trial") as bar:
            while self.running or not (self.queue.empty or self.leaving):
                self._start()
                for place, result in self.executor.wait(STATUS_SECONDS):
                    self._end(place, result)
                    bar.update(self.ended - bar.n)
                if signals.asked():
                    self._leave()
                if time.monotonic() - written > STATUS_SECONDS:
                    written = time.monotonic()
                    check_held(self.store)
                    names = {self._cell(place).name: begun for place, begun in self.running.items()}
                    words = f"failed {len(self.sweep.reasons)} · {'; '.join(names)}"
                    bar.set_postfix_str(words, refresh=sys.stderr.isatty())
                    self.sweep.write_status(names, self._seconds_left())
        if self.lost and not self.leaving:
            raise RequestError(
                f"{plural(len(self.lost), 'trial')} still pending, whose processes ended {ATTEMPTS} times (memory?): "
                f"{', '.join(self.lost)}; give the same command with fewer --workers"
            )
        return not self.leaving

    def _cell(self, place: int) -> Cell:
        return self.sweep.cells[self.numbers[place]]

    def _leave(self) -> None:
        """Start nothing more, and ask what is under way to leave."""
        if not self.leaving:
            self.leaving = True
            self.executor.interrupt()

    def _start(self) -> None:
        if self.leaving or self.queue.empty or self.executor.free <= 0:
            return  # what lies in the store matters to nobody now
        # one driver per store: what comes into it while a sweep runs is of the trials that run
        self.queue.know(key for key in self.queue.busy if (self.store / key).is_dir())
        while not self.leaving and self.executor.free > 0 and (place := self.queue.next()) is not None:
            cell = self._cell(place)
            self.attempts[place] += 1
            self.running[place] = time.time()
            room = ROOMS[self.rooms[place]]
            self.executor.submit(place, Task(cell.request, self.sweep.plugins, str(cell.folder), **room))

    def _given_room(self, place: int, result: Result) -> Result | None:
        """Start a trial again that found no room on its GPU, with more of it; the failure where there is no more."""
        name, room = self._cell(place).name, self.rooms[place]
        if room == len(ROOMS) - 1:
            return Result("failed", f"{result.reason}; also {ROOM_WORDS[-1]}")
        self.rooms[place] = 1 if room == 0 and self.executor.packs else len(ROOMS) - 1
        tqdm.write(f"once more: {name}: {result.reason}; now {ROOM_WORDS[self.rooms[place]]}")
        self.attempts[place] -= 1  # its process lived
        self.queue.again(place)
        return None

    def _end(self, place: int, result: Result | None) -> None:
        del self.running[place]
        if result is not None and result.status == "full":
            result = self._given_room(place, result)
            if result is None:
                return
        if result is None or result.status == "interrupted":
            # a process that was asked to leave alone is like one that died
            if self.attempts[place] < ATTEMPTS or self.leaving or signals.asked():
                self.queue.again(place)
                return
            self.queue.give_up(place)  # no result: it stays pending
            self.lost.append(self._cell(place).name)
            tqdm.write(f"given up for now: {self.lost[-1]}: its process ended {ATTEMPTS} times")
            return
        if result.status == "stopped":
            raise RequestError(f"the sweep stops: {result.reason}")
        self.ended += 1
        number, cell = self.numbers[place], self._cell(place)
        self.sweep.outcomes[number] = result.status
        if result.status == "ok":
            self.queue.done(place)
            return
        self.queue.give_up(place)
        self.sweep.reasons[number] = str(result.reason)
        tqdm.write(f"failed: {cell.name}: {result.reason}")
        if cell.planned and not result.recorded:
            fail(cell.planned, str(result.reason))

    def _seconds_left(self) -> float | None:
        if not self.ended:
            return None
        return (time.monotonic() - self.begun) / self.ended * (len(self.numbers) - self.ended)


def closing_line(sweep: Sweep, finished: bool) -> str:
    """What a sweep came to."""
    words = f"track {sweep.track.name}: {summary(sweep.counts())}"
    return words if finished else f"{words}; interrupted, the same command continues"
