"""Peak memory of what this process did lately."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

CLEAR = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")


def forget_peak(device: torch.device) -> None:
    """Count from here on; where the system cannot, the peak stays that of the whole process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif CLEAR.exists():  # only Linux
        with suppress(OSError), CLEAR.open("w", encoding="ascii") as stream:  # a container may forbid it
            stream.write("5")


def peak_memory_mb(device: torch.device) -> float:
    """Most memory in use since then, in MiB: allocated on the GPU, resident on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if CLEAR.exists():
        return resident_mb("VmHWM")
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (2**20 if sys.platform == "darwin" else 2**10)


def resident_mb(field: str) -> float:
    """``VmRSS``, memory resident now, or ``VmHWM``, its peak, in MiB, as Linux tells."""
    line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 2**10
