"""Where a record comes from."""

import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from bench.machine.numerics import capability
from records.provenance import Data, Entry, Numerics, Provenance
from registries import Identity

LIBRARIES = ("torch", "numpy", "fastmri", "deepinv", "h5py")


def provenance(
    *,
    device: torch.device,
    numerics: Mapping[str, Any],
    data: Data,
    seed: int,
    entries: Sequence[Identity],
    libraries: Sequence[str] = (),
) -> Provenance:
    """The record's ``provenance``: code, versions, device, data and entries."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain")
    return Provenance(
        git=commit,
        dirty=None if changes is None else bool(changes),
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        versions={
            "pun-bench": metadata.version("pun-bench"),
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in (*LIBRARIES, *libraries)},
        },
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        numerics=Numerics(**numerics, capability=capability(device)),
        data=data,
        seeds={"trial": seed},
        entries=tuple(Entry(**asdict(entry)) for entry in entries),
    )


@cache
def _git(*command: str) -> str | None:
    """Output of git on the suite's own checkout, or None where there is none."""
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(["git", *command], cwd=here, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
