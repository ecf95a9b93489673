"""Reduced precision where it belongs: inside the CNNs, never in the physics."""

from typing import Any

import torch
from torch import Tensor, nn

from architectures.contract import Architecture


def use_bfloat16_(model: Architecture, device_type: str) -> None:
    """Let every denoiser compute in bfloat16 (by autocast) and give float32, in place.

    Weights stay float32. FFTs and conjugate gradients are untouched.
    """
    for module in model.denoisers():
        context = torch.autocast(device_type, dtype=torch.bfloat16)
        module.forward = context(module.forward)
        module.register_forward_hook(_as_float32)


def _as_float32(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    return output.float()
