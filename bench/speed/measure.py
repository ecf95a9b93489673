"""Timing several functions in turn, so that a drifting machine slows all of them alike."""

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping

import torch

WARM_UP = 2


def interleaved_times(
    functions: Mapping[str, Callable[[], object]], runs: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of each run of each function, A B C A B C …, after two rounds to warm up."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(WARM_UP + runs):
        for name, function in functions.items():
            _wait(device)
            begun = time.perf_counter()
            function()
            _wait(device)
            if number >= WARM_UP:
                times[name].append(time.perf_counter() - begun)
    return times


def median_ratio(times: list[float], reference: list[float]) -> float:
    """Median of the ratios of runs that stood side by side."""
    return statistics.median(a / b for a, b in zip(times, reference, strict=True))


def peak_memory_mb(prepare: Callable[[], Callable[[], object]], device: torch.device) -> float:
    """Peak memory of one call, in MiB: allocated on the GPU, or resident in a fresh process on the CPU.

    Parameters
    ----------
    prepare : callable
        Importable by name; gives the function to call.
    device : torch.device
    """
    if device.type == "cuda":
        function = prepare()
        torch.cuda.reset_peak_memory_stats(device)
        function()
        _wait(device)
        return torch.cuda.max_memory_allocated(device) / 2**20
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_resident_growth, (prepare,))


def _resident_growth(prepare: Callable[[], Callable[[], object]]) -> float:
    function = prepare()
    before = _resident_mb()
    function()
    return _resident_mb() - before


def _resident_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
