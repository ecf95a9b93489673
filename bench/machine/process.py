"""What code of others may not change in this process: folder, streams, torch's defaults, signals."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn, TextIO

import torch

from registries.modules import is_own

SUITE = Path(__file__).resolve().parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class MeddlingError(RuntimeError):
    """Code of somebody's changed the process."""


@contextmanager
def kept_process(who: str) -> Iterator[None]:
    """Set back whatever changes meanwhile.

    Parameters
    ----------
    who : str
        For the message.

    Raises
    ------
    MeddlingError
        Naming what was changed, unless the block raises itself.
    """
    folder, out, error = Path.cwd(), sys.stdout, sys.stderr
    gradients, dtype, device = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_default_device()
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    leave = os._exit
    setattr(os, "_exit", partial(_refuse_to_leave, leave, os.getpid()))  # noqa: B010
    changed: list[str] = []
    try:
        yield
    finally:
        setattr(os, "_exit", leave)  # noqa: B010
        if not _same_folder(folder):
            os.chdir(folder)
            changed.append("the working folder")
        if sys.stdout is not out or sys.stderr is not error or out.closed or error.closed:
            sys.stdout, sys.stderr = (_reopened(stream, number) for stream, number in ((out, 1), (error, 2)))
            changed.append("the output streams")
        if torch.is_grad_enabled() != gradients:
            torch.set_grad_enabled(gradients)
            changed.append("whether torch computes gradients")
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
            changed.append("torch's default dtype")
        if torch.get_default_device() != device:
            torch.set_default_device(None)
            changed.append("torch's default device")
        for number, handler in handlers.items():
            if signal.getsignal(number) != handler:
                with suppress(ValueError, TypeError):  # of another thread, or not set from Python
                    signal.signal(number, handler)
                changed.append(f"the handler of {number.name}")
    if changed:
        raise MeddlingError(f"{who} changes {' and '.join(changed)} of the process")


def _refuse_to_leave(leave: Callable[[int], NoReturn], process: int, code: int) -> NoReturn:
    """In place of `os._exit`, which would end without a word; other processes and threads of the suite may."""
    if os.getpid() != process or threading.current_thread() is not threading.main_thread():
        leave(code)
    raise SystemExit(code)


def place_of(error: BaseException) -> str:
    """File and line of the innermost code of somebody else's that an error passed, in brackets; empty without any."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if SUITE not in path.parents and is_own(path) and path.exists():
            return f" ({path.name}, line {frame.lineno})"
    return ""


def _same_folder(folder: Path) -> bool:
    with suppress(FileNotFoundError):
        return Path.cwd() == folder
    return False


def _reopened(stream: TextIO, number: int) -> TextIO:
    if not stream.closed:
        return stream
    with suppress(OSError):
        return os.fdopen(os.dup(number), "w", encoding="utf-8", errors="backslashreplace")
    return Path(os.devnull).open("w", encoding="utf-8")
