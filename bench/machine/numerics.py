"""How numbers are computed: threads, determinism, precision of products."""

import os
from typing import Any

import torch

from bench.machine.gpus import cudnn_version, gpu_name

CPU = torch.device("cpu")
TF32 = "tf32"
"""The precision of a track that lets a GPU round the factors of products to ten bits."""

# cuBLAS reads it when a context makes its first handle: with another one its sums are not the same from run to run
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def describe_numerics(device: torch.device, threads: int, precision: str = "float32") -> dict[str, Any]:
    """What a result depends on besides the code: part of every stage key.

    Kernels are chosen by the model of the GPU and by the versions of CUDA and cuDNN; a CPU has none of these, and what
    its vector instructions are changes with the node: see `capability`.
    """
    found = {"device": device.type, "dtype": "float32", "tf32": False, "threads": threads, "torch": torch.__version__}
    if device.type != "cuda":
        return found
    kernels = {"gpu": gpu_name(device), "cuda": torch.version.cuda, "cudnn": str(cudnn_version())}
    return {**found, "tf32": precision == TF32, **kernels}


def capability(device: torch.device) -> str:
    """What decides how sums are rounded besides `describe_numerics`; of a CPU no part of keys."""
    if device.type == "cuda":
        return gpu_name(device)
    return str(torch.backends.cpu.get_cpu_capability())


def set_numerics(threads: int, device: torch.device = CPU, precision: str = "float32") -> None:
    """Make computations as `describe_numerics` says, in this process.

    On a GPU an operation without a deterministic kernel raises: equal keys promise equal numbers. The networks of the
    suite have none.
    """
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == TF32
    # nothing reads what was never written, and to fill it takes time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_deterministic_debug_mode("error" if device.type == "cuda" else "default")
