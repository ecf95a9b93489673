"""What a worker does: one trial, in a process of its own."""

import multiprocessing
import os
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
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
        ``ok`` or ``failed`` as in the record, ``interrupted`` (asked to leave; nothing is written), ``full`` (found no
        room on its GPU; likewise), or ``stopped`` (the whole sweep cannot go on).
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
    plugins : mapping of str to str
        Files, and the SHA-256 of what the driver ran of each.
    folder : str
        Where the record will lie, as the driver planned it; a worker that plans another trial has other data or code.
    alone : bool
        Whether no other trial may be on its GPU meanwhile.
    recompute : bool
        See `Workspace`.
    """

    request: "Request"
    plugins: Mapping[str, str]
    folder: str
    alone: bool = False
    recompute: bool = False


def carry_out(task: Task) -> Result:
    """Carry out a trial and write its outputs; never raises."""
    try:
        return _carry_out(task)
    except KeyboardInterrupt:
        return Result("interrupted")
    except (DataError, OSError, MemoryError) as error:  # data or machine: says nothing about the trial
        return Result("stopped", str(error) or type(error).__name__)
    except RequestError as error:  # the driver writes the record
        of_machine = isinstance(error.__context__, OSError | MemoryError)  # a folder that cannot be written, say
        return Result("stopped" if of_machine else "failed", str(error))
    except BaseException as error:  # a plug-in may do anything
        return _ended_by(error)


def _ended_by(error: BaseException) -> Result:
    from bench.machine.faults import GpuMemoryError, raise_if_gpu_is_full

    try:
        raise_if_gpu_is_full(error)
    except GpuMemoryError as full:
        return Result("full", str(full))
    traceback.print_exc()
    return Result("failed", f"{type(error).__name__}: {error}")


def _carry_out(task: Task) -> Result:
    from bench.machine.gpus import enter
    from bench.trials.log import Journal
    from bench.trials.plan import choose_device, plan
    from bench.trials.run import answer_from_store, attempt

    edited = load_once(task.plugins)
    if edited:
        return Result("stopped", f"{Path(task.folder).name}: {edited}; give the same command, which begins with it")
    try:
        enter(choose_device(task.request.device))
        planned = plan(task.request)
    except RequestError as error:  # the driver planned it
        return Result("stopped", f"{Path(task.folder).name}: cannot be planned any more: {error}")
    if str(planned.folder) != task.folder:
        return Result("stopped", f"a worker plans {planned.folder.name}: its data, code, versions or GPU are others")
    known = answer_from_store(planned, print)  # finished by a worker whose answer got lost
    if known:
        return Result("ok", recorded=True)
    with Journal(planned.folder / "log.txt") as journal:
        record = attempt(planned.recomputing() if task.recompute else planned, False, journal.log, journal.log)
    return Result(record.status, record.reason, recorded=True)


def load_once(files: Mapping[str, str]) -> str | None:
    """Once in a process; says so if it would run something else than the driver."""
    from bench.trials.plugins import load_plugins

    for file, sha256 in files.items():
        try:
            _loaded.update({} if file in _loaded else load_plugins([file]))
        except RequestError as error:
            return f"plug-in edited since the sweep began: {error}"
        if _loaded[file] != sha256:
            return f"--plugin {file}: edited since the sweep began, or what it imports"
    return None


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


_loaded: dict[str, str] = {}
