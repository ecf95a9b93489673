"""Faults of the machine inside a process: from some file operation on, every one in a folder fails.

`sitecustomize` of a sweep's processes imports this module, so that it stands on the standard library alone.
"""

import errno
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from typing import Any

VARIABLE = "PUNBENCH_CHECK_FAULT"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.rename", "os.mkdir", "tempfile.mkdtemp", "tempfile.mkstemp")
FAULTS: Mapping[str, str] = {
    "EIO": "any",
    "ESTALE": "any",
    "EMFILE": "open",
    "ENFILE": "open",
    "ENOMEM": "open",
    "ENOSPC": "write",
    "EDQUOT": "write",
    "EROFS": "write",
    "EFBIG": "size",
}
"""Which operations an error number hits; ``size`` is the system's own limit of the size of files."""


def install() -> None:
    """Prepare the fault that the environment names: error number, how many operations go well first, folder."""
    name, after, folder = os.environ[VARIABLE].split(":", 2)
    if FAULTS[name] == "size":
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(after), hard))
        return
    left = int(after)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if _kind(event, arguments) in _hit(FAULTS[name]) and any(p.startswith(folder) for p in _paths(arguments)):
            left -= 1
            if left < 0:
                raise (
                    MemoryError
                    if name == "ENOMEM"
                    else OSError(getattr(errno, name), os.strerror(getattr(errno, name)), next(_paths(arguments)))
                )

    sys.addaudithook(hook)


def _hit(fault: str) -> tuple[str, ...]:
    return {"any": ("read", "write", "change"), "open": ("read", "write"), "write": ("write", "change")}[fault]


def _kind(event: str, arguments: tuple[Any, ...]) -> str | None:
    if event == "open":
        return "write" if isinstance(arguments[2], int) and arguments[2] & WRITING else "read"
    return "change" if event in CHANGES else None


def _paths(arguments: tuple[Any, ...]) -> Iterator[str]:
    for argument in arguments:
        if isinstance(argument, bytes):
            yield os.fsdecode(argument)
        elif isinstance(argument, str | os.PathLike):
            yield os.fspath(argument)
