"""Where a record comes from."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import torch

from bench.machine.gpus import gpu_name
from bench.machine.numerics import capability
from records.provenance import Data, Entry, Numerics, Provenance
from registries import Identity, suite

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
    code = suite.sources()
    return Provenance(
        git=code.commit,
        dirty=code.edited,
        sources=code.fingerprint,
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        versions={
            "pun-bench": metadata.version("pun-bench"),
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in (*LIBRARIES, *libraries)},
        },
        device=gpu_name(device) if device.type == "cuda" else platform.machine(),
        numerics=Numerics(**numerics, capability=capability(device)),
        data=data,
        seeds={"trial": seed},
        entries=tuple(Entry(**asdict(entry)) for entry in entries),
    )
