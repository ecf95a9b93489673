"""How many trials fit on each GPU side by side, by measured memory."""

import os
from collections.abc import Sequence
from contextlib import suppress

import torch

from bench.stages.loop import DivergedError, LossWatch, training_step
from bench.stages.train import dense_training
from bench.sweep.cells import Cell, planned_of

CONTEXT_BYTES = 700 * 2**20
"""What a process takes on a GPU before it computes anything."""
HEADROOM = 3
"""Second derivatives, mask searches and evaluation take more than a training step."""
MOST_PER_GPU = 8
"""`speed packing` measures whether more would be of use."""


def available_cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_slots(cells: Sequence[Cell], threads: int, workers: int | None = None) -> list[str]:
    """The GPU of each worker: as many per GPU as memory and cores allow, or so many workers in turn.

    Parameters
    ----------
    cells : sequence of Cell
    threads : int
        Of each trial.
    workers : int, optional
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(index) for index in range(torch.cuda.device_count())]
    if workers is None:
        largest = max(_step_bytes(cell) for cell in _one_of_each_network(cells))
        free = min(torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count()))
        fitting = int(free / (HEADROOM * largest + CONTEXT_BYTES))
        cores = available_cores() // (threads * len(names))
        workers = max(1, min(fitting, cores, MOST_PER_GPU)) * len(names)
    return [names[number % len(names)] for number in range(workers)]


def _one_of_each_network(cells: Sequence[Cell]) -> list[Cell]:
    found: dict[tuple[object, ...], Cell] = {}
    for cell in cells:
        if cell.planned:
            found.setdefault((cell.request.arch, cell.request.size, cell.planned.resolved.variant), cell)
    return list(found.values())


def _step_bytes(cell: Cell) -> int:
    """Peak memory of a training step."""
    (planned,) = planned_of([cell])
    workspace = planned.workspace
    device = workspace.device
    torch.cuda.reset_peak_memory_stats(device)
    learner = dense_training(workspace)
    with suppress(DivergedError):  # it took its time all the same
        training_step(learner, workspace.source(learner.purpose).batch(0), 0, LossWatch(learner.purpose))
    peak = torch.cuda.max_memory_reserved(device)
    del learner
    torch.cuda.empty_cache()
    return peak
