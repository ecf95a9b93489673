"""What a worker does: one trial, in a process of its own."""

import os
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registries import RequestError

if TYPE_CHECKING:  # a worker sets up its process before it imports what is heavy
    from bench.request import Request

PARENT_SECONDS = 0.2


@dataclass(frozen=True)
class Result:
    """The end of a trial.

    Attributes
    ----------
    status : str
        ``ok`` or ``failed`` as in the record, ``interrupted`` (asked to leave; nothing is written), or ``stopped`` (the
        whole sweep cannot go on).
    reason : str or None
    seconds : float
    """

    status: str
    reason: str | None
    seconds: float


@dataclass(frozen=True)
class Task:
    """A trial to carry out, and what its process has to load first.

    Attributes
    ----------
    request : Request
    plugins : tuple of str
        Files.
    folder : str
        Where the record will lie, as the driver planned it; a worker that plans another trial has other data or code.
    """

    request: "Request"
    plugins: tuple[str, ...]
    folder: str


def carry_out(task: Task) -> Result:
    """Carry out a trial and write its outputs; never raises."""
    begun = time.monotonic()
    try:
        status, reason = _carry_out(task)
    except KeyboardInterrupt:
        status, reason = "interrupted", None
    except RequestError as error:  # damaged data or stages; the driver writes the record
        status, reason = "failed", str(error)
    except OSError as error:
        status, reason = "stopped", str(error)
    except Exception as error:
        status, reason = "failed", f"{type(error).__name__}: {error}"
        traceback.print_exc()
    return Result(status, reason, time.monotonic() - begun)


def _carry_out(task: Task) -> tuple[str, str | None]:
    from bench.journal import Journal
    from bench.planning import plan
    from bench.running import answer_from_store, run

    load_plugins(task.plugins)
    planned = plan(task.request)
    if str(planned.folder) != task.folder:
        raise RequestError(
            f"this worker plans {planned.folder.name}: it has other data, code or versions than the driver"
        )
    known = answer_from_store(planned)  # finished by a worker whose answer got lost
    if known:
        return "ok", None
    with Journal(planned.folder / "log.txt") as journal:
        record = run(planned, False, journal.log, journal.log)
    return record.content["status"], record.content["reason"]


def load_plugins(files: tuple[str, ...]) -> None:
    """Register the entries of plug-ins, once in a process."""
    from architectures import architectures
    from pruners import pruners
    from registries import load_plugin

    for file in files:
        if file not in _loaded:
            for registry in (architectures, pruners):
                registry.names()
            load_plugin(Path(file))
            _loaded.add(file)


def prepare_process(device: str | None = None) -> None:
    """Set up a worker process: signals, quiet progress, its GPU; it ends with the driver.

    Parameters
    ----------
    device : str, optional
        What ``CUDA_VISIBLE_DEVICES`` is set to.
    """
    os.environ["TQDM_DISABLE"] = "1"
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    from bench import interruption

    interruption.listen()
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)


_loaded: set[str] = set()
