"""Locks between processes, also of several machines that share a folder."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
"""What network file systems say that have no locks."""
PATIENCE = 1.0
"""Seconds to wait in silence."""


def lock_file(folder: Path, name: str, soft: bool = False) -> Path:
    """What stands for a lock; a soft one is a file that is there, where the file system has no locks."""
    return folder / f"{name}.{'soft-lock' if soft else 'lock'}"


def take(folder: Path, name: str, patience: float, kind: type[BaseFileLock] = FileLock) -> BaseFileLock | None:
    """A lock, or a file in its place where the file system has none; None if somebody holds it all that time.

    Parameters
    ----------
    folder : Path
    name : str
    patience : float
        Seconds; negative to wait for ever.
    kind : type
    """
    lock = kind(lock_file(folder, name, soft=kind is SoftFileLock))
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        return None
    except OSError as error:
        if kind is FileLock and error.errno in WITHOUT_LOCKS:
            return take(folder, name, patience, SoftFileLock)
        raise
    return lock


@contextmanager
def held(folder: Path, name: str, doing: str) -> Iterator[None]:
    """Hold a lock, after waiting for whoever holds it, which is said.

    Parameters
    ----------
    folder : Path
        Is made.
    name : str
    doing : str
        What the other process does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = take(folder, name, PATIENCE)
    if lock is None:
        left = lock_file(folder, name, soft=True)
        after_a_kill = f"; if there is none, remove {left}" if left.exists() else ""
        print(f"bench: waits for another process that {doing}{after_a_kill}", file=sys.stderr)
        lock = take(folder, name, -1)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
