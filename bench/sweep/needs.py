"""What a trial takes of memory, measured in a process like those of a sweep."""

import gc
import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import torch

from bench.evaluation.scoring import reconstruct_volume
from bench.machine.faults import GpuMemoryError, raise_if_gpu_is_full
from bench.machine.gpus import enter
from bench.machine.memory import STATUS, forget_peak, resident_mb
from bench.networks.reconstruct import reconstruct
from bench.stages.loop import DivergedError, LossWatch, training_step
from bench.stages.train import dense_training
from bench.sweep.cells import Cell
from bench.sweep.task import load_once, prepare_process
from bench.trials.plan import PlannedTrial, choose_device, plan
from bench.trials.request import Request

CONTEXT_BYTES = 700 * 2**20
"""What a process takes on a GPU before it computes anything."""
HEADROOM = 3
"""Second derivatives, mask searches and evaluation take more than a training step."""
MIB, GIB = 2**20, 2**30


@dataclass(frozen=True)
class Needs:
    """Bytes of a trial in a process of its own.

    Attributes
    ----------
    gpu, host : int
        Of the memory of its GPU, and of the machine; 0 where it takes none or the system does not tell.
    """

    gpu: int
    host: int

    def words(self) -> str:
        """For people."""
        if self == ENDED:
            return "more than there is"
        gpu = f", {self.gpu / GIB:.1f} GiB of its GPU" if self.gpu else ""
        return f"about {self.host / GIB:.1f} GiB{gpu}"


ENDED = Needs(sys.maxsize, sys.maxsize)
"""More than any machine has."""


def measure(cells: Sequence[Cell], plugins: Mapping[str, str]) -> Needs:
    """What the largest network of a sweep takes: a few of its steps, in a process that ends.

    Parameters
    ----------
    cells : sequence of Cell
    plugins : mapping of str to str
        As in `Task`.

    Returns
    -------
    Needs
        `ENDED` if that process was ended from outside, which is what a system out of memory does.
    """
    requests = _one_of_each_network(cells)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=prepare_process) as process:
        try:
            return process.submit(_measure, requests, plugins).result()
        except BrokenProcessPool:
            return ENDED


def _one_of_each_network(cells: Sequence[Cell]) -> list[Request]:
    found: dict[tuple[object, ...], Request] = {}
    for cell in cells:
        if cell.planned:
            found.setdefault((cell.request.arch, cell.request.size, cell.planned.resolved.variant), cell.request)
    return list(found.values())


def _measure(requests: Sequence[Request], plugins: Mapping[str, str]) -> Needs:
    gpu = before = growth = 0
    for request in requests:
        with suppress(Exception):  # whatever is wrong here is wrong in the trial, which says so in its row
            load_once(plugins)
            enter(choose_device(request.device))
            planned = plan(request)
            resident = _resident("VmRSS")
            before = max(before, resident)
            forget_peak(torch.device("cpu"))
            gpu = max(gpu, _step_bytes(planned))
            growth = max(growth, _resident("VmHWM") - resident)
        gc.collect()
    return Needs(min(HEADROOM * gpu + CONTEXT_BYTES, sys.maxsize) if gpu else 0, before + HEADROOM * growth)


def _step_bytes(planned: PlannedTrial) -> int:
    """Take a training step and score a volume; gives the peak on the GPU."""
    workspace, device = planned.workspace, planned.workspace.device
    planned.set_numerics()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    try:
        learner = dense_training(workspace)
        with suppress(DivergedError):  # it took its memory all the same
            training_step(learner, workspace.source(learner.purpose).batch(0), 0, LossWatch(learner.purpose))
        reconstruct_volume({"network": partial(reconstruct, learner.model)}, planned.test.volumes[0], planned.test)
    except Exception as error:
        with suppress(GpuMemoryError):
            raise_if_gpu_is_full(error)
            raise
        return sys.maxsize  # such a trial has to be alone
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0


def _resident(field: str) -> int:
    return round(resident_mb(field) * MIB) if STATUS.exists() else 0
