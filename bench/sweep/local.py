"""Trials in processes of this machine."""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

from bench.sweep.task import Result, Task, carry_out, prepare_process


class LocalExecutor:
    """One process per slot, kept from trial to trial; one that dies is replaced.

    Parameters
    ----------
    slots : sequence of (str or None)
        For each process the GPU it sees, as ``CUDA_VISIBLE_DEVICES`` names it; None leaves that alone.
    threads : int
        Of each process; their sum should not exceed the cores.
    """

    def __init__(self, slots: Sequence[str | None], threads: int) -> None:
        self._slots = tuple(slots)
        self._threads = threads
        self._leaving = False
        self._context = multiprocessing.get_context("spawn")
        self._pools = {number: self._new_pool(number) for number in range(len(self._slots))}
        self._running: dict[Future[Result], tuple[int, int]] = {}
        self._alone: dict[str | None, tuple[int, Task] | None] = {}
        """GPUs that one trial has to itself, or waits for while others leave."""

    @property
    def free(self) -> int:
        """How many more trials can start now."""
        return len(self._idle())

    @property
    def packs(self) -> bool:
        """Whether several trials may be on one GPU; on none, in the memory of the machine."""
        return len(set(self._slots)) < len(self._slots)

    def submit(self, number: int, task: Task) -> None:
        """Start a trial under a number of the caller's, one that has to be alone as soon as its GPU is empty."""
        if not task.alone:
            self._begin(min(self._idle()), number, task)
            return
        open_ = list(dict.fromkeys(self._slots[slot] for slot in self._idle()))
        self._alone[min(open_, key=self._busy)] = number, task
        self._begin_waiting()

    def _idle(self) -> list[int]:
        """Processes without a trial whose GPU may have more."""
        taken = {slot for slot, _ in self._running.values()}
        return [slot for slot, gpu in enumerate(self._slots) if slot not in taken and gpu not in self._alone]

    def _busy(self, gpu: str | None) -> int:
        """Trials on a GPU."""
        return sum(self._slots[slot] == gpu for slot, _ in self._running.values())

    def _begin_waiting(self) -> None:
        """Start those that waited for a GPU of their own and have it now."""
        for gpu, waiting in list(self._alone.items()):
            if waiting and not self._busy(gpu):
                self._alone[gpu] = None
                for slot, other in enumerate(self._slots):  # idle processes hold memory of it, too
                    if other == gpu:
                        self._replace(slot)
                self._begin(self._slots.index(gpu), *waiting)

    def _begin(self, slot: int, number: int, task: Task) -> None:
        try:
            future = self._submit(slot, task)
        except BrokenProcessPool:  # its process died while it was idle
            self._replace(slot)
            future = self._submit(slot, task)
        self._running[future] = slot, number

    def wait(self, seconds: float) -> list[tuple[int, Result | None]]:
        """Trials that ended, after at most so many seconds; None instead of a result where the process died."""
        done, _ = wait(self._running, seconds, FIRST_COMPLETED)
        found: list[tuple[int, Result | None]] = []
        if self._leaving:
            found += [(waiting[0], Result("interrupted")) for waiting in self._alone.values() if waiting]
            self._alone.clear()
        for future in done:
            slot, number = self._running.pop(future)
            if self._alone.get(self._slots[slot], ()) is None:
                del self._alone[self._slots[slot]]
            try:
                result = future.result()
                found.append((number, result))
                unusable = result.status in ("failed", "full") and self._slots[slot] is not None  # its GPU, perhaps
                if unusable or result.status == "interrupted":  # a process that was asked to leave takes no more
                    self._replace(slot)
            except BrokenProcessPool:
                self._replace(slot)
                found.append((number, None))
        self._begin_waiting()
        return found

    def interrupt(self) -> None:
        """Ask all trials to write a checkpoint and leave."""
        self._leaving = True
        for child in multiprocessing.active_children():
            with suppress(ProcessLookupError, ValueError):
                child.terminate()

    def close(self) -> None:
        """End all processes."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, slot: int, task: Task) -> Future[Result]:
        before = os.environ.get("OMP_NUM_THREADS")
        os.environ["OMP_NUM_THREADS"] = str(self._threads)  # a new process reads it when it loads its libraries
        try:
            return self._pools[slot].submit(carry_out, task)
        finally:
            if before is None:
                del os.environ["OMP_NUM_THREADS"]
            else:
                os.environ["OMP_NUM_THREADS"] = before

    def _replace(self, slot: int) -> None:
        self._pools[slot].shutdown(wait=False)
        self._pools[slot] = self._new_pool(slot)

    def _new_pool(self, slot: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            1, mp_context=self._context, initializer=prepare_process, initargs=(self._slots[slot],)
        )
