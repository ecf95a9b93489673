"""Which GPUs there are, as torch counts them, without a CUDA context in this process.

A context takes hundreds of MiB of a GPU for as long as its process lives, and a driver of a sweep lives longest.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

import torch

from registries import RequestError

QUESTION = """
import json, torch
gpus = [[torch.cuda.get_device_name(i), *torch.cuda.mem_get_info(i)] for i in range(torch.cuda.device_count())]
print(json.dumps([gpus, torch.backends.cudnn.version()]))
"""
VISIBLE = "CUDA_VISIBLE_DEVICES"
PATIENCE = 300.0
"""Seconds for a process to load torch, from a slow file system."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that this process may use.

    Attributes
    ----------
    name : str
        Of its model.
    free, total : int
        Memory, bytes; free when it was asked for.
    """

    name: str
    free: int
    total: int


@dataclass(frozen=True)
class Machine:
    """What torch finds to compute on.

    Attributes
    ----------
    gpus : tuple of Gpu
    cudnn : int
        Version.
    """

    gpus: tuple[Gpu, ...]
    cudnn: int


def ask() -> Machine:
    """What there is, and what is free there now; another process asks, and ends.

    Raises
    ------
    RequestError
        If they do not answer.
    """
    try:
        found = subprocess.run(
            [sys.executable, "-c", QUESTION], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise RequestError(f"--device cuda: the GPUs do not answer within {PATIENCE:g} s") from None
    if found.returncode:
        last = (found.stderr.strip().splitlines() or ["no word"])[-1]
        raise RequestError(f"--device cuda: the GPUs do not answer ({last})")
    listed, cudnn = json.loads(found.stdout)
    if not listed:
        raise RequestError("--device cuda: torch sees no GPU; CUDA_VISIBLE_DEVICES may name one that does not exist")
    return Machine(tuple(Gpu(*one) for one in listed), cudnn)


def enter(device: torch.device) -> None:
    """Let this process compute on its GPU: what is asked about it from here on is answered directly."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def counting_device(device: torch.device) -> torch.device:
    """Where operations are counted, whose number is the same everywhere: on the CPU, unless there is a context."""
    return device if _has_context() else torch.device("cpu")


def gpu_name(device: torch.device) -> str:
    """The model of a GPU; asked directly where this process has a context anyway."""
    if _has_context():
        return torch.cuda.get_device_name(device)
    return _known(os.environ.get(VISIBLE)).gpus[device.index or 0].name


def cudnn_version() -> int | None:
    """Version of cuDNN; torch makes a context to find out."""
    if _has_context():
        version: int | None = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        return version
    return _known(os.environ.get(VISIBLE)).cudnn


def _has_context() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


@cache
def _known(visible: str | None) -> Machine:
    return ask()
