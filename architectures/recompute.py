"""Trading time for memory: keep the inputs of a computation alone and do it again in the backward pass."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

_state = threading.local()


def recomputed(function: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """Output of a module, or of a function of its arguments alone, without what it computes in between.

    The graph of derivatives is the same, so that gradients of any order are, bit for bit. The parameters of a module
    that are in force now are handed over explicitly: a network called with other weights (`functional_call`, as pruners
    do) has its own ones back by the time of the backward pass.
    """
    if not torch.is_grad_enabled():
        return function(*inputs)
    if not isinstance(function, nn.Module):
        return _kept_small(function, *inputs)

    def run(parameters: dict[str, Tensor], *arguments: Any) -> Tensor:
        result: Tensor = functional_call(function, parameters, arguments)
        return result

    return _kept_small(run, dict(function.named_parameters()), *inputs)


def recomputing() -> bool:
    """Whether this thread does something again at this moment, which nobody should count twice."""
    return getattr(_state, "depth", 0) > 0


def _kept_small(function: Callable[..., Tensor], *inputs: Any) -> Tensor:
    result: Tensor = checkpoint(function, *inputs, use_reentrant=False, context_fn=_contexts)
    return result


def _contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Of the first time, and of all others."""
    return nullcontext(), _Again()


class _Again:
    """A context that may be entered again, as a second derivative does."""

    def __enter__(self) -> None:
        _state.depth = getattr(_state, "depth", 0) + 1

    def __exit__(self, *_: object) -> None:
        _state.depth -= 1
