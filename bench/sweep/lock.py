"""One driver per store."""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from registries import RequestError
from registries.files import write_json

LOCK, HOLDER = "driver.lock", "driver.json"
PATIENCE = 1.0
"""Seconds: somebody may only be looking whether the lock is held."""


@contextmanager
def only_driver(store: Path, track: str) -> Iterator[None]:
    """Hold the lock of a store; the system gives it back when the process ends, however it ends.

    Raises
    ------
    RequestError
        If another driver holds it.
    """
    store.mkdir(parents=True, exist_ok=True)
    lock = FileLock(store / LOCK)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise RequestError(
            f"{store} is in use by {describe(holder(store))}: wait for it, or sweep into another --out"
        ) from None
    try:
        write_json(store / HOLDER, {"track": track, "pid": os.getpid(), "host": platform.node(), "since": time.time()})
        yield
    finally:
        lock.release()


def is_driven(store: Path) -> bool:
    """Whether a driver holds the lock of a store now."""
    if not (store / LOCK).exists():
        return False
    lock = FileLock(store / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def check_held(store: Path) -> None:
    """Make sure that this process still drives the store where it began.

    Raises
    ------
    RequestError
        If the folder was moved or removed: what is written there from now on would not be found with the rest.
    """
    if holder(store).get("pid") != os.getpid():
        raise RequestError(
            f"{store.parent}: was moved or removed while the sweep ran, or cannot be read; "
            "put it back and give the same command"
        )


def holder(store: Path) -> dict[str, Any]:
    """Who holds the lock, or held it last."""
    try:
        found: dict[str, Any] = json.loads((store / HOLDER).read_text())
    except (OSError, ValueError):
        return {}
    return found


def describe(found: dict[str, Any]) -> str:
    """A driver in words."""
    if not found:
        return "another sweep"
    return f"the sweep of track {found['track']}, process {found['pid']} on {found['host']}"
