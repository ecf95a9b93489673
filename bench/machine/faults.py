"""Telling faults of the machine from failed trials: storage, open files, memory."""

import errno
import os
from collections.abc import Iterator

import torch

from bench.machine.process import place_of

STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EFBIG, errno.EMFILE, errno.ENFILE)
"""Libraries report these under types of their own, with the system's words."""
MEMORY_WORDS = ("can't allocate memory", "cannot allocate memory")
REMEDY = "what is finished is kept; remedy it and give the same command"


GPU_MEMORY_WORDS = ("cuda error: out of memory", "cublas_status_alloc_failed", "cudnn_status_alloc_failed")
"""Libraries of a GPU that find no room say so in words alone."""
ROOM = 300
"""Characters of what torch says about it, which tells the state of its allocator at length."""


class FaultError(OSError):
    """A fault of the machine, in one line: no result of any trial."""


class GpuMemoryError(Exception):
    """A trial found no room on its GPU, in one line: no result yet, as it may be tried with more room."""


def raise_if_of_machine(error: BaseException) -> None:
    """Raise `FaultError` if an error, or what caused it, is of the operating system or of memory.

    Memory of a GPU is not meant: see `raise_if_gpu_is_full`.
    """
    for cause in _chain(error):
        if isinstance(cause, FaultError):
            raise cause
        if isinstance(cause, OSError) and not _of_a_user(cause):
            where = f" ({cause.filename})" if cause.filename else ""
            raise FaultError(cause.errno, f"{cause.strerror or cause}{where}; {REMEDY}") from None
        words = str(cause).lower()
        if isinstance(cause, torch.OutOfMemoryError):
            continue
        if isinstance(cause, MemoryError) or any(text in words for text in MEMORY_WORDS):
            raise FaultError(errno.ENOMEM, f"{os.strerror(errno.ENOMEM)}; {REMEDY}") from None
        for code in STORAGE:
            if os.strerror(code).lower() in words:
                raise FaultError(code, f"{os.strerror(code)}; {REMEDY}") from None


def raise_if_gpu_is_full(error: BaseException) -> None:
    """Raise `GpuMemoryError` if an error, or what caused it, is that nothing more fits on the GPU."""
    for cause in _chain(error):
        words = str(cause)
        if isinstance(cause, GpuMemoryError):
            raise cause
        if isinstance(cause, torch.OutOfMemoryError) or any(text in words.lower() for text in GPU_MEMORY_WORDS):
            told = ". ".join(" ".join(words.split()).split(". ")[:2])[:ROOM].rstrip(".")
            raise GpuMemoryError(told or "the GPU is out of memory") from None


def _of_a_user(error: OSError) -> bool:
    """Code of somebody's own raised it, for a reason of its own: a file that it does not find, no fault of storage."""
    return error.errno not in (*STORAGE, errno.ENOMEM) and bool(place_of(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what caused it, and so on."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
