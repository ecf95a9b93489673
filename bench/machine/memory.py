"""Memory of the machine that is left, and the peak of what this process did lately."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

CLEAR = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")
MACHINE = Path("/proc/meminfo")
OWN_GROUP = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")
FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Limit, use, and the part of the use that files could be dropped from, by the controller of a group."""


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


def available_bytes() -> int | None:
    """Memory that new processes may still take: of the machine, and of the groups (containers, jobs) of this process.

    Returns
    -------
    int or None
        None where the system does not tell.
    """
    if not MACHINE.exists():
        return None
    line = next(
        (one for one in MACHINE.read_text(encoding="utf-8").splitlines() if one.startswith("MemAvailable:")), ""
    )
    found = [int(line.split()[1]) * 2**10] if line else []
    lines = OWN_GROUP.read_text(encoding="utf-8").splitlines() if OWN_GROUP.exists() else []
    for controllers, name in (one.split(":", 2)[1:] for one in lines):
        for kind in FILES.keys() & set(controllers.split(",")):
            place = GROUPS / kind / name.lstrip("/")
            inside = [group for group in (place, *place.parents) if GROUPS in (group, *group.parents)]
            found += [left for group in inside if (left := _left_in(group, *FILES[kind])) is not None]
    return max(0, min(found)) if found else None


def _left_in(group: Path, limit: str, used: str, droppable: str) -> int | None:
    """Bytes below the limit of a group, if it has one."""
    try:
        most, now = ((group / name).read_text(encoding="utf-8").strip() for name in (limit, used))
        lines = (group / "memory.stat").read_text(encoding="utf-8").splitlines()
    except OSError:  # no group, or not to be seen from here
        return None
    files = sum(int(line.split()[1]) for line in lines if line.startswith(f"{droppable} "))
    return None if most == "max" else int(most) - int(now) + files
