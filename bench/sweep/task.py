"""What a worker does: one trial, in a process of its own."""

import multiprocessing
import os
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datasets.errors import DataError
from registries import RequestError

if TYPE_CHECKING:  # a worker sets up its process before it imports what is heavy
    from bench.trials.request import Request


@dataclass(frozen=True)
class Result:
    """The end of a trial.

    Attributes
    ----------
    status : str
        ``ok`` or ``failed`` as in the record, ``interrupted`` (asked to leave; nothing is written), or ``stopped`` (the
        whole sweep cannot go on).
    reason : str or None
    recorded : bool
        Whether the worker wrote the record.
    """

    status: str
    reason: str | None = None
    recorded: bool = False


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
    try:
        return _carry_out(task)
    except KeyboardInterrupt:
        return Result("interrupted")
    except (DataError, OSError, MemoryError) as error:  # data or machine: says nothing about the trial
        return Result("stopped", str(error) or type(error).__name__)
    except RequestError as error:  # the driver writes the record
        return Result("failed", str(error))
    except (Exception, SystemExit) as error:  # a plug-in may do anything
        traceback.print_exc()
        return Result("failed", f"{type(error).__name__}: {error}")


def _carry_out(task: Task) -> Result:
    from bench.trials.log import Journal
    from bench.trials.plan import plan
    from bench.trials.run import answer_from_store, run

    _load_plugins(task.plugins)
    planned = plan(task.request)
    if str(planned.folder) != task.folder:
        return Result("stopped", f"a worker plans {planned.folder.name}: its data, code or versions are others")
    known = answer_from_store(planned)  # finished by a worker whose answer got lost
    if known:
        return Result("ok", recorded=True)
    with Journal(planned.folder / "log.txt") as journal:
        record = run(planned, False, journal.log, journal.log)
    return Result(record.status, record.reason, recorded=True)


def _load_plugins(files: tuple[str, ...]) -> None:
    """Once in a process."""
    from bench.trials.plugins import load_plugins

    load_plugins(file for file in files if file not in _loaded)
    _loaded.update(files)


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
    from bench.machine import signals

    signals.listen()
    threading.Thread(target=_leave_with_driver, daemon=True).start()


def _leave_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)


_loaded: set[str] = set()
