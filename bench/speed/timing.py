"""Timing several functions in turn, so that a drifting machine slows all of them alike."""

import ctypes
import gc
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from tqdm import tqdm

from bench.machine.gpus import wait
from bench.machine.memory import CLEAR, forget_peak, resident_mb

WARM_UP = 2
CPU_INFO = Path("/proc/cpuinfo")


def interleaved_times(
    functions: Mapping[str, Callable[[], object]], runs: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of each run of each function, A B C A B C …, after two rounds to warm up."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for number in tqdm(range(WARM_UP + runs), desc=f"timing {', '.join(functions)}"[:60], unit="turn", leave=False):
        for name, function in functions.items():
            wait(device)
            begun = time.perf_counter()
            function()
            wait(device)
            if number >= WARM_UP:
                times[name].append(time.perf_counter() - begun)
    return times


def median_ratio(times: list[float], reference: list[float]) -> float:
    """Median of the ratios of runs that stood side by side."""
    return statistics.median(a / b for a, b in zip(times, reference, strict=True))


def peak_memory_mb(prepare: Callable[[], Callable[[], object]], device: torch.device) -> float | None:
    """Peak memory of one call, in MiB beyond what stays; None where it cannot be known.

    On the GPU what is allocated, on Linux the growth of a fresh process.

    Parameters
    ----------
    prepare : callable
        Importable by name; gives the function to call.
    device : torch.device
    """
    if device.type == "cuda":
        function = prepare()
        function()  # gradients and what libraries keep are there from the second call on
        wait(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        function()
        wait(device)
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    if not CLEAR.exists():  # only Linux tells
        return None
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_resident_growth, prepare).result()


def device_name(device: torch.device) -> str:
    """What the maker calls the device, as far as the system tells."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if CPU_INFO.exists():  # Linux
        for line in CPU_INFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _resident_growth(prepare: Callable[[], Callable[[], object]]) -> float:
    function = prepare()
    function()  # buffers that libraries keep are not the network's
    _return_freed_memory()
    forget_peak(torch.device("cpu"))
    before = resident_mb("VmRSS")
    function()
    return resident_mb("VmHWM") - before


def _return_freed_memory() -> None:
    """To the system, so that what the next call takes is seen to grow."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)
