"""Trading time for memory: keep a module's inputs alone and compute it again in the backward pass."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint


def recomputed(module: nn.Module, *inputs: Any) -> Tensor:
    """Output of a module, without what it computes in between.

    The parameters in force now are handed over explicitly: a network called with other weights (`functional_call`, as
    pruners do) has its own ones back by the time of the backward pass.
    """
    if not torch.is_grad_enabled():
        plain: Tensor = module(*inputs)
        return plain

    def run(parameters: dict[str, Tensor], *arguments: Any) -> Tensor:
        result: Tensor = functional_call(module, parameters, arguments)
        return result

    found: Tensor = checkpoint(run, dict(module.named_parameters()), *inputs, use_reentrant=False)
    return found
