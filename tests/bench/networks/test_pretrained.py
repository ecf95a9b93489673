"""Weights that somebody has, in the forms they come in."""

import os
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from architectures import build
from bench.networks.pretrained import load_given, load_weights
from registries import RequestError

MODEL = build("modl", "toy", torch.Generator().manual_seed(0))
NAME = "denoiser.layers.0.weight"
VARNET = build("e2e-varnet", "toy", torch.Generator().manual_seed(0))


class Foreign:
    """Of code that is not run."""


class Caller:
    """Would call the shell where objects are made as they ask to be."""

    def __reduce__(self):
        return os.system, ("exit 1",)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def dense() -> dict[str, Tensor]:
    return {name: value.clone() for name, value in MODEL.state_dict().items()}


def with_first(value: float, kind: torch.dtype = torch.float32) -> dict[str, Tensor]:
    weights = dense()
    weights[NAME] = weights[NAME].to(kind)
    weights[NAME].view(-1)[0] = value
    return weights


def quantized(weight: Tensor) -> Tensor:
    with warnings.catch_warnings(action="ignore"):  # torch means to drop them
        return torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)


def named(prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in dense().items()}


UNDERSTOOD: dict[str, Callable[[], Any]] = {
    "plain": dense,
    "wrapped": lambda: {"epoch": 3, "state_dict": dense()},
    "of several devices": lambda: named("module."),
    "of Lightning": lambda: {"state_dict": {**named("varnet."), "loss.w": torch.ones(2)}, "hyper_parameters": {}},
    "of a wrapped model": lambda: {"model": named("model.module.")},
    "of a compiled model": lambda: named("_orig_mod."),
    "in double": lambda: {name: value.double() for name, value in dense().items()},
    "parameters": lambda: {name: torch.nn.Parameter(value) for name, value in dense().items()},
}


@pytest.mark.parametrize("form", UNDERSTOOD)
def test_wrappings_prefixes_and_types_are_understood(tmp_path, form):
    torch.save(UNDERSTOOD[form](), tmp_path / "weights.pt")
    found = load_given(tmp_path / "weights.pt", MODEL)
    assert list(found) == list(MODEL.state_dict())
    assert all(torch.equal(found[name], value) for name, value in MODEL.state_dict().items())
    assert not any(value.requires_grad for value in found.values())


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "complex": (lambda: {**dense(), NAME: dense()[NAME] * 1j}, f"'{NAME}' is of type torch.complex64, which does not"),
    "whole numbers": (lambda: {**dense(), NAME: dense()[NAME].int()}, "is of type torch.int32, which does not"),
    "beyond float32": (lambda: with_first(1e300, torch.float64), f"'{NAME}' exceeds the range of torch.float32"),
    "NaN": (lambda: with_first(float("nan")), f"'{NAME}' is not finite everywhere"),
    "infinite": (lambda: with_first(float("inf")), f"'{NAME}' is not finite everywhere"),
    "sparse": (lambda: {**dense(), NAME: dense()[NAME].to_sparse()}, "is of layout torch.sparse_coo; save it as"),
    "meta": (lambda: {**dense(), NAME: dense()[NAME].to("meta")}, f"'{NAME}' is without values"),
    "quantized": (lambda: {**dense(), NAME: quantized(dense()[NAME])}, f"'{NAME}' is quantized; save it as"),
    "code": (lambda: {**dense(), "more": Foreign()}, r"code is not run \(.*test_pretrained\.Foreign\); save model"),
    "a call": (lambda: {"state_dict": dense(), "more": Caller()}, r"code is not run \(.*\.system\); save model"),
    "another size": (
        lambda: build("modl", "demo", generator()).state_dict(),
        r"it fits --arch modl --size demo or --arch modl --size mini$",
    ),
    "another network": (
        lambda: {"model": {f"module.{name}": value for name, value in VARNET.state_dict().items()}},
        r"[0-9]+ names are missing, [0-9]+ unknown, e\.g\. '.*'; it fits --arch e2e-varnet --size toy$",
    ),
    "an unknown width": (lambda: {**dense(), "denoiser.layers.0.bias": torch.ones(3)}, r"is \(3,\), not \(4,\)$"),
    "unknown wrapping": (lambda: {"net": dense()}, "no state dict of names and tensors: 'net' is of type dict"),
    "a list": (lambda: [1], "holds a list instead of a state dict"),
    "numbered": (lambda: {1: torch.ones(1)}, "no state dict of names and tensors"),
    "twice": (lambda: {**named("a."), **named("b.")}, "holds this network more than once, under 'a.' and 'b.'"),
    "a prefix and a gap": (
        lambda: dict(list(named("module.").items())[1:]),
        "another network: 1 names are missing, 0 unknown",
    ),
    "nothing": (dict, "is of another network"),
    "pruned": (
        lambda: {**dense(), NAME: torch.zeros_like(dense()[NAME])},
        r"25\.0 % of the prunable weights are exact",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_network_cannot_hold_is_named_in_one_line(tmp_path, kind):
    content, message = REFUSED[kind]
    torch.save(content(), tmp_path / "weights.pt")
    with pytest.raises(RequestError, match=message) as caught:
        load_given(tmp_path / "weights.pt", MODEL)
    assert str(caught.value).startswith(f"--dense-weights {tmp_path / 'weights.pt'}")


def test_half_precision_and_single_zeros_do_not_make_a_network_pruned(tmp_path):
    weights = {name: value.half() for name, value in VARNET.state_dict().items()}
    weights["cascades.0.model.unet.down_sample_layers.0.layers.0.weight"].view(-1)[0] = 0  # as rounding makes some
    safetensors.torch.save_file(weights, tmp_path / "weights.safetensors")
    found = load_given(tmp_path / "weights.safetensors", VARNET)
    assert {value.dtype for value in found.values()} == {torch.float32}


def test_a_network_pruned_already_can_be_read_but_not_be_the_start_of_pruning(tmp_path):
    weights = {**dense(), NAME: torch.zeros_like(dense()[NAME])}
    torch.save(weights, tmp_path / "weights.pt")
    found = load_weights(tmp_path / "weights.pt", MODEL, "--weights FILE")
    assert not found[NAME].any()
    torch.save([1], tmp_path / "weights.pt")
    with pytest.raises(RequestError, match=r"^--weights FILE: holds a list"):
        load_weights(tmp_path / "weights.pt", MODEL, "--weights FILE")


def test_a_network_traced_by_torchscript_is_refused(tmp_path):
    with warnings.catch_warnings(action="ignore"):  # torch means to drop it
        torch.jit.script(torch.nn.Conv2d(2, 4, 3)).save(str(tmp_path / "weights.pt"))
    with pytest.raises(RequestError, match="cannot be read as a state dict"):
        load_given(tmp_path / "weights.pt", MODEL)


def test_pipes_folders_and_absent_files_are_refused_before_they_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    for name, message in (("pipe.pt", "is not a regular file"), (".", "is not a regular"), ("none.pt", "no such file")):
        with pytest.raises(RequestError, match=message):
            load_given(tmp_path / name, MODEL)
    (tmp_path / "empty.pt").touch()
    os.truncate(tmp_path / "empty.pt", 10**12)  # of zeros
    with pytest.raises(RequestError, match="cannot be read as a state dict"):
        load_given(tmp_path / "empty.pt", MODEL)
