"""A value that several processes need is computed by one of them, while the others wait for it."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.machine import signals
from bench.store.store import Store
from registries.hashing import content_key
from registries.locks import WITHOUT_LOCKS

PAUSE = 0.2
"""Seconds between two looks at whether the other process is done."""


def computed_once(store: Store, inputs: Any, compute: Callable[[], Any]) -> Any:
    """The JSON value of these inputs that the store holds, or holds once the process that computes it now is done.

    The system gives the lock of a process back however it ends; who gets it then computes. Where the file system has
    no locks, each computes the value for itself, which is the same.

    Parameters
    ----------
    store : Store
    inputs : JSON value
        All that the value depends on.
    compute : callable
        Gives the value.

    Raises
    ------
    KeyboardInterrupt
        Where a signal asked for it while waiting.
    """
    known = store.load_value(inputs)
    if known is not None:
        return known
    with _held(store.folder / f".{content_key(inputs)}.lock"):
        known = store.load_value(inputs)
        if known is None:
            known = compute()
            store.save_value(inputs, known)
    return known


def stored(store: Store, fresh: bool, inputs: Any, compute: Callable[[], Any]) -> Any:
    """As `computed_once`; what is wanted fresh is computed now, and kept."""
    if not fresh:
        return computed_once(store, inputs, compute)
    value = compute()
    store.save_value(inputs, value)
    return value


@contextmanager
def _held(path: Path) -> Iterator[None]:
    with path.open("a", encoding="utf-8") as stream:  # closing it gives the lock back
        while not _locked(stream.fileno()):
            signals.check()
            time.sleep(PAUSE)
        with suppress(OSError):
            os.utime(path)  # it is no leftover
        yield
    path.unlink(missing_ok=True)  # who waits for it finds the value all the same


def _locked(descriptor: int) -> bool:
    """Whether the lock is this process's now, or there are none here."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
    return True
