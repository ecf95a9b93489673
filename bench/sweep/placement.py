"""How many trials fit on this machine side by side, by cores and measured memory."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from bench.machine.gpus import VISIBLE, Gpu, ask
from bench.machine.memory import available_bytes
from bench.sweep.cells import Cell
from bench.sweep.needs import ENDED, Needs, measure
from registries import RequestError
from registries.text import plural

MOST_PER_GPU = 8
"""`speed packing` measures whether more would be of use."""
GIB = 2**30


@dataclass(frozen=True)
class Placement:
    """Where the trials of a sweep go.

    Attributes
    ----------
    slots : tuple of (str or None)
        For each process the GPU it sees, as ``CUDA_VISIBLE_DEVICES`` names it; None on a CPU.
    remark : str or None
        Why there are not as many as cores and GPUs allow.
    needs : Needs or None
        Of the largest trial, where that was measured.
    """

    slots: tuple[str | None, ...]
    remark: str | None = None
    needs: Needs | None = None


def available_cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def place(
    cells: Sequence[Cell], device: torch.device, threads: int, plugins: Mapping[str, str], workers: int | None = None
) -> Placement:
    """The processes of a sweep: as many as cores, GPUs and memory allow, or so many workers, on the GPUs in turn.

    Parameters
    ----------
    cells : sequence of Cell
        Still to be carried out.
    device : torch.device
    threads : int
        Of each trial.
    plugins : mapping of str to str
        As in `Task`.
    workers : int, optional

    Raises
    ------
    RequestError
        If the GPUs are not of one model.
    """
    gpus = _alike() if device.type == "cuda" else ()
    names = _names(gpus)
    if workers is not None:
        return Placement(_in_turn(names, workers))
    most = max(1, available_cores() // (threads * len(names)))
    if not gpus and most == 1:
        return Placement(_in_turn(names, 1))
    needs = measure(cells, plugins)
    if gpus:
        most = max(1, min(most, MOST_PER_GPU, min(gpu.free for gpu in gpus) // max(1, needs.gpu)))
    return _bounded(names, most * len(names), needs)


def _bounded(names: Sequence[str | None], most: int, needs: Needs) -> Placement:
    """At most as many as the memory of the machine holds."""
    free = available_bytes()
    holds = max(1, free // needs.host) if free is not None and needs.host else most
    if holds >= most:
        return Placement(_in_turn(names, most), needs=needs)
    why = f"a trial takes about {needs.host / GIB:.1f} GiB of memory, and {(free or 0) / GIB:.1f} GiB are available"
    if needs == ENDED:
        why = "the process that measured a training step was ended (memory?)"
    return Placement(_in_turn(names, holds), f"{plural(holds, 'worker')} instead of {most}: {why}", needs)


def _in_turn(names: Sequence[str | None], workers: int) -> tuple[str | None, ...]:
    return tuple(names[number % len(names)] for number in range(workers))


def _alike() -> tuple[Gpu, ...]:
    gpus = ask().gpus
    models = list(dict.fromkeys(gpu.name for gpu in gpus))
    if len(models) > 1:
        raise RequestError(
            f"the GPUs here are of different models ({', '.join(models)}), whose trials have different keys: name "
            f"those of one model by {VISIBLE}"
        )
    return gpus


def _names(gpus: Sequence[Gpu]) -> list[str | None]:
    """As `VISIBLE` names them; None stands for the CPU."""
    if not gpus:
        return [None]
    visible = os.environ.get(VISIBLE)
    return [*(visible.split(",") if visible else map(str, range(len(gpus))))][: len(gpus)]
