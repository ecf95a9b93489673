"""A pretended GPU: tensors that hold CPU values, say ``cuda:0``, and refuse what tensors of a GPU refuse.

The values are computed by the very kernels of the CPU, so that results have to be equal bit for bit. What is not
pretended: autocast to half precision, streams, memory, and that a copy may not have arrived yet.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils import _device, _foreach_utils
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from architectures.launches import few_launches_on

DEVICE = torch.device("cuda", 0)
CPU = torch.device("cpu")
NAME = "a pretended device"

aten = torch.ops.aten
WAITING = {
    *(aten._local_scalar_dense, aten.is_nonzero, aten.equal, aten.allclose),
    *(aten.nonzero, aten.masked_select, aten.bincount, aten.repeat_interleave),
    *(aten._unique2, aten.unique_dim, aten.unique_consecutive),
}
"""Operators after which the host waits: their result, or its shape, is needed at once."""
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}
MAKING = {aten.empty, aten.empty_strided, aten.full, aten.ones, aten.scalar_tensor, aten.zeros}
FACTORIES = (
    *("arange", "empty", "empty_strided", "eye", "full", "hann_window", "linspace", "logspace", "ones", "rand"),
    *("randint", "randn", "randperm", "scalar_tensor", "zeros", "tensor", "as_tensor", "asarray"),
    *("empty_like", "full_like", "ones_like", "rand_like", "randint_like", "randn_like", "zeros_like"),
)
OF_VALUES = ("tensor", "as_tensor", "asarray")
"""These copy what the host has."""
METHODS = ("new_empty", "new_full", "new_ones", "new_zeros")


class MixedDevicesError(RuntimeError):
    """Tensors of the host and of the device met."""


@dataclass
class _State:
    """How often the host waited, by operator; whether that is counted; whether Python makes a tensor right now."""

    waits: Counter[str] = field(default_factory=Counter)
    quiet: bool = False
    in_python: bool = False

    def note(self, name: str) -> None:
        if not self.quiet:
            self.waits[name] += 1

    @contextmanager
    def during(self, flag: str) -> Iterator[None]:
        before = getattr(self, flag)
        setattr(self, flag, True)
        try:
            yield
        finally:
            setattr(self, flag, before)


_state = _State()


class PretendedTensor(Tensor):
    """A tensor of the CPU that says it is on ``cuda:0``."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    device = property(lambda self: DEVICE)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    def get_device(self) -> int:
        return 0

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.detach().cpu().numpy()
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def new_tensor(self, data: Any, **kwargs: Any) -> Tensor:  # type: ignore[override]
        return torch.tensor(data, **{"dtype": self.dtype, "device": DEVICE, **kwargs})

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"{_values(self)!r} on {DEVICE}"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        _refuse(func, args, given)
        _count(func.overloadpacket, args, given)
        with torch._C._DisableTorchDispatch():
            result = func(*args, **given)
        if func.overloadpacket is aten.copy_:  # gives what it wrote to, on either side
            return result
        return tree_map_only(Tensor, _pretended, result)


def is_pretended(value: object) -> bool:
    return isinstance(value, PretendedTensor)


def _pretended(tensor: Tensor) -> Tensor:
    """The same storage as one of the device."""
    if isinstance(tensor, PretendedTensor):
        return tensor
    result: Tensor = Tensor._make_subclass(PretendedTensor, tensor)
    return result


def _values(tensor: Tensor) -> Tensor:
    """A copy on the CPU."""
    with torch.no_grad(), torch._C._DisableTorchDispatch():
        return tensor.detach().clone()


def _refuse(func: Any, args: Any, kwargs: Mapping[str, Any]) -> None:
    """Raise where a GPU would.

    Numbers of the CPU (without dimensions) may take part in arithmetic, indices of the CPU are brought over, and copies
    go both ways; what is written to has to be on the device.
    """
    packet, leaves = func.overloadpacket, tree_leaves((args, kwargs))
    if any(isinstance(leaf, torch.Generator) for leaf in leaves):
        raise RuntimeError(f"Expected a 'cuda' device type for generator but found 'cpu' ({func})")
    of_host = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not is_pretended(leaf)]
    if not of_host or packet is aten.copy_:
        return
    allowed = {id(leaf) for leaf in of_host if leaf.ndim == 0 and packet not in (aten.cat, aten.stack)}
    if packet in INDEXING and is_pretended(args[0]):
        allowed |= {id(index) for index in args[1] if index is not None}
    written = [
        value
        for argument, value in zip(func._schema.arguments, args, strict=False)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    allowed -= {id(leaf) for leaf in tree_leaves((written, kwargs.get("out")))}
    if any(id(leaf) not in allowed for leaf in of_host):
        raise MixedDevicesError(
            f"Expected all tensors to be on the same device, but found at least two devices, {DEVICE} and cpu! ({func})"
        )


def _count(packet: Any, args: Any, kwargs: Mapping[str, Any]) -> None:
    """Note what a GPU would be waited for."""
    if packet in WAITING:
        _state.note(packet.__name__)
    elif packet is aten.copy_:
        blocking = not (args[2] if len(args) > 2 else kwargs.get("non_blocking", False))
        if blocking and is_pretended(args[0]) != is_pretended(args[1]):
            _state.note("upload" if is_pretended(args[0]) else "download")
    elif packet in INDEXING:
        for index in (one for one in args[1] if one is not None):
            if not is_pretended(index):
                _state.note("upload")
            # a single number put where a mask is true is filled in, without looking for the places
            filled = packet is not aten.index and args[2].numel() == 1
            if index.dtype in (torch.bool, torch.uint8) and not filled:
                _state.note("nonzero")


class _Moved(torch.autograd.Function):
    """A copy on the other side; gradients come back from there."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        copied = _values(tensor)
        return copied if is_pretended(tensor) else _pretended(copied)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _move(gradient, not is_pretended(gradient), non_blocking=False)


def _move(tensor: Tensor, there: bool, non_blocking: bool) -> Tensor:
    """A tensor on the device (``there``), or on the CPU."""
    if is_pretended(tensor) == there:
        return tensor
    if not non_blocking:
        _state.note("upload" if there else "download")
    moved: Tensor = _Moved.apply(tensor)
    return moved


def _on_device(device: object) -> bool | None:
    """Whether a device is the pretended one; None for others than it and the CPU."""
    kind = torch.device(device).type if isinstance(device, str | torch.device) else "cuda"
    return {"cuda": True, "cpu": False}.get(kind)


def _to(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @wraps(original)
    def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        rest, device = list(args), kwargs.pop("device", None)
        other = rest[0] if rest and isinstance(rest[0], Tensor) else kwargs.pop("other", None)
        if other is not None:
            device, rest = other.device, [other.dtype, *rest[1:]]
        elif rest and (rest[0] is None or isinstance(rest[0], str | int | torch.device)):
            device = rest.pop(0)
        there = None if device is None else _on_device(device)
        if there is None:
            return original(self, *([] if device is None else [device]), *rest, **kwargs)
        flags = [value for value in rest if isinstance(value, bool)]
        moved = _move(self, there, kwargs.get("non_blocking", flags[0] if flags else False))
        return original(moved, CPU, *rest, **kwargs)  # of type and layout: the library takes both sides for the CPU

    return to


def _factory(original: Callable[..., Tensor], of_values: bool = False) -> Callable[..., Tensor]:
    @wraps(original)
    def make(*args: Any, **kwargs: Any) -> Tensor:
        kwargs.pop("pin_memory", None)
        there = None if kwargs.get("device") is None else _on_device(kwargs["device"])
        with _state.during("in_python"):
            if there is None:
                return original(*args, **kwargs)
            if there and kwargs.get("generator") is not None:
                raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
            learned = kwargs.pop("requires_grad", False)
            made = original(*args, **{**kwargs, "device": CPU})
        if of_values:
            made = _move(made, there, non_blocking=False)
        elif there != is_pretended(made):
            made = _pretended(made) if there else _values(made)
        return made.requires_grad_() if learned else made

    return make


class _OfEngine(TorchDispatchMode):
    """What derivatives of the library make for themselves, as zeros in place of no gradient, is on the device.

    The library looks where a tensor is in its own records, which say CPU here.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        return _pretended(result) if func.overloadpacket in MAKING and not _state.in_python else result


def _engine(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def run(outputs: Any, *args: Any, **kwargs: Any) -> Any:
        with _OfEngine() if any(is_pretended(output) for output in outputs) else ExitStack():
            return original(outputs, *args, **kwargs)

    return run


def _swapping(original: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Parameters of a module change their class when they move, and stay the same objects, as on a GPU."""

    @wraps(original)
    def apply(self: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        before = torch.__future__.get_swap_module_params_on_conversion()
        torch.__future__.set_swap_module_params_on_conversion(True)
        try:
            return original(self, *args, **kwargs)
        finally:
            torch.__future__.set_swap_module_params_on_conversion(before)

    return apply


def _grouped(original: Callable[..., Any]) -> Callable[..., Any]:
    """Groups of tensors by device, for which the library asks its own records."""

    @wraps(original)
    def group(lists: Any, with_indices: bool = False) -> Any:
        return {
            (DEVICE if is_pretended(found[0][0][0]) else device, dtype): found
            for (device, dtype), found in original(lists, with_indices).items()
        }

    return group


def _quantile(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Of a fraction, which the library would keep on the CPU; only kernels of the CPU look at it."""

    @wraps(original)
    def quantile(tensor: Tensor, q: Any, *args: Any, **kwargs: Any) -> Tensor:
        fraction = (
            _pretended(torch.tensor(q, dtype=tensor.dtype)) if is_pretended(tensor) and isinstance(q, float) else q
        )
        with _state.during("quiet"):
            return original(tensor, fraction, *args, **kwargs)

    return quantile


def _replacements() -> Iterator[tuple[Any, str, Any]]:
    """Where, name, and what takes its place."""
    for name in FACTORIES:
        yield torch, name, _factory(getattr(torch, name), name in OF_VALUES)
    for name in METHODS:
        yield Tensor, name, _factory(getattr(Tensor, name))
    yield Tensor, "to", _to(Tensor.to)
    yield Tensor, "cpu", lambda self, **_: _move(self, False, non_blocking=False)
    yield Tensor, "cuda", lambda self, device=None, non_blocking=False: _move(self, True, non_blocking)
    yield Tensor, "pin_memory", lambda self, device=None: self
    yield torch, "quantile", _quantile(torch.quantile)
    yield nn.Module, "_apply", _swapping(nn.Module._apply)
    group = "_group_tensors_by_device_and_dtype"
    yield torch._C, group, _grouped(getattr(torch._C, group))
    for module in (torch.autograd, torch.autograd.graph):
        yield module, "_engine_run_backward", _engine(module._engine_run_backward)
    answers = {
        "is_available": True,
        "device_count": 1,
        "current_device": 0,
        "get_device_name": NAME,
        "mem_get_info": (0, 0),
    }
    memory = dict.fromkeys(("max_memory_allocated", "memory_allocated", "max_memory_reserved"), 2**20)
    nothing = dict.fromkeys(("reset_peak_memory_stats", "empty_cache", "is_current_stream_capturing"))
    for name, answer in {**answers, **memory, **nothing}.items():
        yield torch.cuda, name, lambda *_, answer=answer, **__: answer
    yield torch.cuda, "is_initialized", lambda: True  # so that no other process is asked about GPUs
    yield torch.cuda, "init", lambda: None
    yield torch.backends.cudnn, "version", lambda: None
    yield torch.cuda, "synchronize", lambda *_: _state.note("synchronize")
    yield torch.accelerator, "current_accelerator", lambda *_, **__: None  # whose streams are asked for


@contextmanager
def pretended_device() -> Iterator[Counter[str]]:
    """Let torch have one GPU; gives the count of how often the host waited for it, by operator.

    The suite takes the operations that a CPU would, so that results are equal bit for bit.
    """
    _state.waits.clear()
    _device._device_constructors()  # torch remembers these functions as they are at the first call
    with ExitStack() as stack:
        for place, name, replacement in _replacements():
            stack.enter_context(mock.patch.object(place, name, replacement))
        stack.enter_context(few_launches_on())
        _foreach_utils._foreach_supported_types.append(PretendedTensor)
        stack.callback(_foreach_utils._foreach_supported_types.remove, PretendedTensor)
        yield _state.waits
