"""The pretended device refuses, allows and waits as a GPU does; on a machine with one the GPU is asked the same."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.pretended_device import PretendedTensor, pretended_device

REAL = torch.cuda.is_available()
Function = Callable[[Tensor, Tensor], Any]


@pytest.fixture(params=["pretended", pytest.param("real", marks=pytest.mark.cuda)])
def there(request) -> Iterator[Counter[str] | None]:
    """The count of waits of the pretended device; none of a real one."""
    if request.param == "real" and not REAL:
        pytest.skip("needs a CUDA device")
    with pretended_device() if request.param == "pretended" else nullcontext() as counted:
        yield counted


def host() -> Tensor:
    return torch.linspace(-1, 1, 16).reshape(4, 4)


def put(place: Tensor, index: Tensor, value: Tensor) -> Tensor:
    place[index] = value
    return place


REFUSED: dict[str, Function] = {
    "sum": lambda a, b: a + b,
    "sum the other way": lambda a, b: b + a,
    "a number of the device": lambda a, b: b * a.sum(),
    "in place": lambda a, b: b.mul_(a),
    "a number in place": lambda a, b: b.sum().add_(a.sum()),
    "out": lambda a, b: torch.add(a, a, out=b),
    "where": lambda a, b: torch.where(b > 0, a, 0),
    "masked_fill": lambda a, b: a.masked_fill(b > 0, 0),
    "cat": lambda a, b: torch.cat([a, b]),
    "stack of numbers": lambda a, b: torch.stack([a.sum(), b.sum()]),
    "matmul": lambda a, b: a @ b,
    "convolution": lambda a, b: functional.conv2d(a[None, None], b[None, None]),
    "loss": lambda a, b: functional.mse_loss(a, b),
    "list": lambda a, b: torch._foreach_add_([a], [b]),
    "index_select": lambda a, b: a.index_select(0, torch.tensor([1])),
    "index of the device": lambda a, b: b[torch.tensor([1], device=a.device)],
    "values put": lambda a, b: put(a, torch.tensor([1, 2], device=a.device), b[:2]),
    "generator": lambda a, b: a.uniform_(generator=torch.Generator()),
    "generator of a factory": lambda a, b: torch.rand(2, device=a.device, generator=torch.Generator()),
    "numpy": lambda a, b: a.numpy(),
    "array": lambda a, b: np.asarray(a),
}
ALLOWED: dict[str, Function] = {
    "a number of the host": lambda a, b: a * b.sum() + torch.where(a > 0, a, b.sum()).clamp(max=b.max()),
    "index of the host": lambda a, b: a[torch.tensor([1, 3])],
    "put at an index of the host": lambda a, b: put(a, torch.tensor([1]), a[:1] * 2),
    "copied to": lambda a, b: a.copy_(b * 2),
    "copied from": lambda a, b: torch.zeros(4, 4).copy_(a),
    "put": lambda a, b: put(a, slice(0, 2), b[:2] * 3),  # type: ignore[arg-type]
    "made": lambda a, b: a + torch.full((4, 4), 2.0, device=a.device) + a.new_tensor([1.0, 2, 3, 4]),
    "lists": lambda a, b: torch.tensor(a.tolist()) + torch.tensor(float(a[0, 0])),
    "moved and typed": lambda a, b: a.to("cpu", torch.float64) + b,
    "moved like another": lambda a, b: b.to(a) + a,
    "conjugate": lambda a, b: torch.view_as_real(torch.complex(a, a).conj().resolve_conj()),
}
WAITING: dict[str, Function] = {
    "item": lambda a, b: a.sum().item(),
    "truth": lambda a, b: bool((a > 0).all()),
    "nonzero": lambda a, b: a.nonzero(),
    "boolean index": lambda a, b: a[a > 0],
    "index of the host": lambda a, b: a[torch.tensor([1])],
    "equal": lambda a, b: torch.equal(a, a),
    "unique": lambda a, b: a.unique(),
    "download": lambda a, b: a.cpu(),
    "upload": lambda a, b: b.to(a.device),
    "copied to": lambda a, b: a.copy_(b),
    "tensor of values": lambda a, b: torch.tensor([1.0, 2], device=a.device),
}
SILENT: dict[str, Function] = {
    "arithmetic": lambda a, b: (a * 2 + a.sum() + b.sum()).masked_fill_(a > 0, 0),
    "put where a mask is true": lambda a, b: a.masked_fill_(a > 0, 0.0),
    "factory": lambda a, b: torch.zeros(3, device=a.device) + torch.ones_like(a[0, :3]),
    "quantile": lambda a, b: torch.quantile(a, 0.9),
    "sorted": lambda a, b: torch.argsort(a.flatten(), stable=True)[:3],
    "pinned upload": lambda a, b: b.pin_memory().to(a.device, non_blocking=True),
    "on the host": lambda a, b: b.sum().item(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses(there, name):
    with pytest.raises((RuntimeError, TypeError, IndexError)):
        REFUSED[name](host().to("cuda:0"), host())
    if name not in ("generator of a factory", "index of the device"):  # on the host it is nothing special
        REFUSED[name](host(), host())


@pytest.mark.parametrize("name", ALLOWED)
def test_it_allows(there, name):
    found, expected = ALLOWED[name](host().to("cuda:0"), host()), ALLOWED[name](host(), host())
    assert torch.allclose(found.cpu(), expected)


def waits(there: Counter[str] | None, function: Function) -> bool:
    """Whether the host waits."""
    on_device = host().to("cuda:0")
    if there is not None:
        there.clear()
        function(on_device, host())
        return there.total() > 0
    torch.cuda.set_sync_debug_mode("error")
    try:
        function(on_device, host())
    except RuntimeError as error:
        if "synchronizing" in str(error):
            return True
        raise
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return False


@pytest.mark.parametrize("name", [*WAITING, *SILENT])
def test_it_waits_as_a_gpu(there, name):
    assert waits(there, {**WAITING, **SILENT}[name]) == (name in WAITING)


def test_modules_move_with_the_same_parameters_and_train_without_waiting(there):
    module, twin = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    twin.load_state_dict(module.state_dict())
    parameters = list(module.parameters())
    module.to("cuda:0")
    assert all(one is other for one, other in zip(module.parameters(), parameters, strict=True))
    assert all(isinstance(one, nn.Parameter) and one.is_cuda and one.is_leaf for one in parameters)

    def train(network: nn.Module, image: Tensor) -> None:
        optimizer = torch.optim.AdamW(network.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            network(image).square().sum().backward()
            nn.utils.clip_grad_norm_(network.parameters(), 0.1)
            optimizer.step()

    image = host()[None, None]
    assert not waits(there, lambda a, b: train(module, a[None, None]))
    train(twin, image)
    module.cpu()
    assert next(module.parameters()) is parameters[0]
    assert not parameters[0].is_cuda
    for name, value in twin.state_dict().items():
        assert torch.allclose(module.state_dict()[name], value)


def test_gradients_cross():
    leaf = host().requires_grad_()
    with pretended_device() as counted:
        (leaf.to("cuda:0") * 2).cpu().sum().backward()
    assert type(leaf.grad) is Tensor
    assert torch.equal(leaf.grad, torch.full((4, 4), 2.0))
    assert counted == {"upload": 2, "download": 2}


def test_nothing_is_left_behind():
    before = (torch.zeros, Tensor.to, nn.Module._apply, torch.cuda.is_available)
    with pretended_device():
        assert torch.cuda.is_available()
        assert isinstance(torch.zeros(2, device="cuda"), PretendedTensor)
        with torch.device("meta"):
            assert torch.zeros(2).is_meta
    assert (torch.zeros, Tensor.to, nn.Module._apply, torch.cuda.is_available) == before
    with torch.device("meta"):
        assert torch.zeros(2).is_meta
    assert torch.cuda.is_available() == REAL
