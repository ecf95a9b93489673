"""What one forward pass costs: multiply–accumulates of convolutions, dense and kept, and of the physics apart."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from architectures import Architecture
from architectures.recompute import recomputing
from bench.machine.gpus import wait
from pruners import Mask

LATENCY_RUNS = 5
LOSS = "SSIMLoss"
COMPLEX_OUTPUT = "ComplexOutput"
"""Calls a network for its complex image: see `bench.stages.losses`."""


@torch.no_grad()
def forward_macs(model: Architecture, mask: Mask, inputs: tuple[Tensor, Tensor, Tensor]) -> dict[str, int]:
    """Multiply–accumulates of one forward pass on k-space, sampling mask and coil maps.

    A convolution weight is used once per output position (a transposed one once per input position) and call; a
    weight shared by several unrolls is called several times. Complex products count four, a transform of n points
    (5/2) n log₂ n (Cooley & Tukey's count of real operations, two to a multiply–accumulate).

    Returns
    -------
    dict
        ``dense``: all convolutions; ``kept``: only weights the mask keeps; ``fft_cg``: transforms and complex
        products of data consistency.
    """
    kept_of = {id(model.get_parameter(name)): int(kept.sum()) for name, kept in mask.items()}
    total = {"dense": 0, "kept": 0}

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight: Tensor = module.weight  # type: ignore[assignment]
        grid = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        positions = grid.shape[0] * grid.shape[-2] * grid.shape[-1]
        total["dense"] += positions * weight.numel()
        total["kept"] += positions * kept_of.get(id(weight), weight.numel())

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        with _PhysicsCounter() as physics:
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {**total, "fft_cg": round(physics.macs)}


class ConvolutionCounter(FlopCounterMode):
    """Counts the convolutions executed inside a ``with``, forward and backward; not those of a loss.

    What is computed again to save memory counts once: the bill of a trial does not tell how large the GPU was.

    Parameters
    ----------
    model : Architecture, optional
        Only those that happen in calls of it.
    """

    def __init__(self, model: Architecture | None = None) -> None:
        super().__init__(display=False)
        self._network = "Global" if model is None else type(model).__name__

    @property
    def macs(self) -> int:
        """Multiply–accumulates so far."""
        counts = self.get_flop_counts()
        loss = 0 if self._network != "Global" else sum(counts.get(LOSS, {}).values())
        called = [self._network] if self._network == "Global" else [self._network, COMPLEX_OUTPUT]
        return int(sum(sum(counts.get(name, {}).values()) for name in called) - loss) // 2

    def _count_flops(self, func_packet: Any, out: Any, args: Any, kwargs: Any) -> Any:
        return out if recomputing() else super()._count_flops(func_packet, out, args, kwargs)  # type: ignore[no-untyped-call]


class _PhysicsCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts transforms and complex products as they are executed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._fft_c2c.default:
            points = 1
            for axis in args[1]:
                points *= result.shape[axis]
            self.macs += 2.5 * result.numel() * torch.log2(torch.tensor(float(points))).item()
        elif func is torch.ops.aten.mul.Tensor and isinstance(result, Tensor) and result.is_complex():
            self.macs += 4 * result.numel()
        return result


@torch.no_grad()
def median_latency_ms(run: Callable[[], Tensor], device: torch.device) -> float:
    """Median wall-clock time of a few runs after one to warm up, in milliseconds."""
    run()
    times = []
    for _ in range(LATENCY_RUNS):
        wait(device)
        begun = time.perf_counter()
        run()
        wait(device)
        times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(times)


def gradient_macs(loss: Callable[[], Tensor], model: Architecture | None = None) -> int:
    """Multiply–accumulates of the convolutions executed for a loss and its gradients."""
    with ConvolutionCounter(model) as counter:
        loss().backward()  # type: ignore[no-untyped-call]
    return int(counter.macs)
