"""Leaving in good order: SIGINT and SIGTERM are noticed between steps, where a checkpoint can be written."""

import signal
import threading
from types import FrameType

_asked = threading.Event()


def listen() -> None:
    """From now on the first signal asks to leave; a second SIGINT interrupts at once. For the main thread."""
    _asked.clear()
    signal.signal(signal.SIGINT, _ask)
    signal.signal(signal.SIGTERM, _ask)


def asked() -> bool:
    """Whether to leave at the next good moment."""
    return _asked.is_set()


def check() -> None:
    """Leave here, if asked to.

    Raises
    ------
    KeyboardInterrupt
    """
    if asked():
        raise KeyboardInterrupt


def _ask(number: int, frame: FrameType | None) -> None:
    if asked() and number == signal.SIGINT:
        raise KeyboardInterrupt
    _asked.set()
