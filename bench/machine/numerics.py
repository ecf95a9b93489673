"""How numbers are computed: threads, determinism, precision of products."""

from typing import Any

import torch


def describe_numerics(device: torch.device, threads: int) -> dict[str, Any]:
    """What a result depends on besides the code: part of every stage key."""
    return {"device": device.type, "dtype": "float32", "tf32": False, "threads": threads, "torch": torch.__version__}


def capability(device: torch.device) -> str:
    """What decides how sums are rounded besides `describe_numerics`; no part of keys, as it changes with the node."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return str(torch.backends.cpu.get_cpu_capability())


def set_numerics(threads: int) -> None:
    """Make computations as `describe_numerics` says, in this process."""
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
