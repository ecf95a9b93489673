"""Other ways to run the same CNNs, in the hope of speed; the physics (FFTs, conjugate gradients) stays as it is."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from architectures.contract import Architecture

COMPILATIONS = 4096
"""Of one function; the U-Nets of all unrolls, at several sizes."""


def use_bfloat16_(model: Architecture) -> None:
    """Let every denoiser compute in bfloat16 (by autocast) and give float32, in place; weights stay float32."""
    device = next(model.parameters()).device.type
    for module in model.denoisers():
        context = torch.autocast(device, dtype=torch.bfloat16)
        module.forward = context(module.forward)
        module.register_forward_hook(_as_float32)


def use_channels_last_(model: Architecture) -> None:
    """Keep the weights of every denoiser in channels-last order, in place; its images are so already, by strides."""
    for module in model.denoisers():
        for parameter in module.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def use_compilation_(model: Architecture) -> None:
    """Compile every denoiser at its first call, in place; it cannot be differentiated twice then.

    The blocks of U-Nets share their code, and each of them is another compilation of it: torch would stop after eight
    and run the others as they are. It may do more here, and fails where that is not enough.
    """
    from torch._dynamo import config  # takes seconds, which nobody else should wait for

    config.recompile_limit = config.accumulated_recompile_limit = COMPILATIONS
    config.fail_on_recompile_limit_hit = True
    for module in model.denoisers():
        module.compile()


def use_recomputation_(model: Architecture) -> None:
    """Keep little for the backward pass, in place: see `architectures.recompute`."""
    model.recompute = True


VARIANTS: Mapping[str, Callable[[Architecture], None]] = {
    "bf16": use_bfloat16_,
    "channels-last": use_channels_last_,
    "compiled": use_compilation_,
    "recomputing": use_recomputation_,
}


def _as_float32(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    return output.float()
