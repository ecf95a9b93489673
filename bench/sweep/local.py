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
        self._context = multiprocessing.get_context("spawn")
        self._pools = {number: self._new_pool(number) for number in range(len(self._slots))}
        self._running: dict[Future[Result], tuple[int, int]] = {}

    @property
    def free(self) -> int:
        """How many more trials can start now."""
        return len(self._slots) - len(self._running)

    def submit(self, number: int, task: Task) -> None:
        """Start a trial under a number of the caller's."""
        slot = min(set(self._pools) - {slot for slot, _ in self._running.values()})
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
        for future in done:
            slot, number = self._running.pop(future)
            try:
                result = future.result()
                found.append((number, result))
                unusable = result.status == "failed" and self._slots[slot] is not None  # its GPU, perhaps
                if unusable or result.status == "interrupted":  # a process that was asked to leave takes no more
                    self._replace(slot)
            except BrokenProcessPool:
                self._replace(slot)
                found.append((number, None))
        return found

    def interrupt(self) -> None:
        """Ask all trials to write a checkpoint and leave."""
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
