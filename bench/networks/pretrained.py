"""Weights of a network somebody has, to start `after` from."""

import hashlib
import pickle
import warnings
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from architectures import Architecture
from registries import RequestError

WRAPPINGS = ("state_dict", "model_state_dict", "model")
"""Under what checkpoints keep the state dict."""
PRUNED = 0.01
"""Share of zeros among the prunable weights above which a network counts as pruned: rounding to half precision makes
about one in a million, a mask that is worth its name far more than one in a hundred."""


def load_given(path: Path, model: Architecture) -> dict[str, Tensor]:
    """Read a state dict for a network: safetensors, or what ``torch.load`` reads with ``weights_only=True``.

    It may be wrapped in a checkpoint, and its names may all begin with the same prefix, such as ``module.``.

    Returns
    -------
    dict of str to Tensor
        Of the names, shapes and types of the network.

    Raises
    ------
    RequestError
        If it cannot be read, has other names or shapes than the network, or values that the network cannot hold.
    """
    where = f"--dense-weights {path}"
    wanted = model.state_dict()
    found = _without_prefix(_unwrapped(_read(path, where), where), wanted, where)
    weights = {name: _converted(found[name], value, f"{where}: '{name}'") for name, value in wanted.items()}
    for name, value in model.named_buffers():
        if not torch.allclose(weights[name], value):
            raise RequestError(
                f"{where}: '{name}' is {weights[name].tolist()}, and fixed at {value.tolist()} in this network"
            )
    prunable = [weights[name] for name in model.prunable()]
    zeros, total = (sum(numbers) for numbers in zip(*((int((w == 0).sum()), w.numel()) for w in prunable), strict=True))
    if zeros > PRUNED * total:
        raise RequestError(
            f"{where}: {100 * zeros / total:.1f} % of the prunable weights are exactly zero (at most "
            f"{100 * PRUNED:.0f} % may be): this network is pruned already; give the dense one"
        )
    return weights


def hash_of(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name}{tuple(weights[name].shape)}".encode())
        digest.update(weights[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path, where: str) -> Any:
    if not path.is_file():  # a pipe or a device may never end
        raise RequestError(f"{where}: {'is not a regular file' if path.exists() else 'no such file'}")
    try:
        with warnings.catch_warnings(action="ignore"):  # of torch, about formats; what is wrong ends in one line below
            if path.suffix == ".safetensors":
                return safetensors.torch.load_file(path)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        what = "is damaged or holds objects other than tensors, whose code is not run; save model.state_dict() alone"
        raise RequestError(f"{where}: {what}") from None
    except Exception as error:  # both libraries raise whatever they meet
        raise RequestError(f"{where}: cannot be read as a state dict ({type(error).__name__})") from None


def _unwrapped(found: Any, where: str) -> Mapping[str, Tensor]:
    """The state dict itself."""
    if not isinstance(found, Mapping):
        raise RequestError(f"{where}: holds a {type(found).__name__} instead of a state dict of names and tensors")
    inner = next((found[name] for name in WRAPPINGS if isinstance(found.get(name), Mapping)), found)
    for name, value in inner.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            kind = type(value).__name__
            raise RequestError(f"{where}: holds no state dict of names and tensors: '{name}' is of type {kind}")
    return inner


def _without_prefix(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], where: str) -> Mapping[str, Tensor]:
    """The tensors of the network by its own names; a prefix also tells them from those of other modules."""
    counts = Counter(p for name in found for p in _prefixes(name) if name.removeprefix(p) in wanted)
    whole = sorted(prefix for prefix, number in counts.items() if number == len(wanted))
    if len(whole) > 1:
        raise RequestError(f"{where}: holds this network more than once, under '{whole[0]}' and '{whole[1]}'; save one")
    ((prefix, _),) = counts.most_common(1) or [("", 0)]
    own = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
    missing, surplus = sorted(set(wanted) - set(own)), sorted(set(own) - set(wanted))
    if missing or surplus:
        name = (missing or surplus)[0]
        raise RequestError(
            f"{where}: is of another network: {len(missing)} names are missing, {len(surplus)} unknown, e.g. '{name}'"
        )
    return own


def _prefixes(name: str) -> list[str]:
    """``a.b.weight``: nothing, ``a.``, ``a.b.``."""
    return ["", *accumulate(f"{part}." for part in name.split(".")[:-1])]


def _converted(given: Tensor, wanted: Tensor, where: str) -> Tensor:
    """A tensor in the type of the network, without loss of what matters."""
    if given.shape != wanted.shape:
        raise RequestError(f"{where} is {tuple(given.shape)}, not {tuple(wanted.shape)}")
    if given.layout != torch.strided or given.is_meta or given.is_quantized:
        kind = "without values" if given.is_meta else "quantized" if given.is_quantized else f"of layout {given.layout}"
        raise RequestError(f"{where} is {kind}; save it as a dense tensor")
    if given.is_complex() or given.is_floating_point() != wanted.is_floating_point():
        raise RequestError(f"{where} is of type {given.dtype}, which does not fit {wanted.dtype}")
    value = given.detach().to(wanted.dtype).contiguous()
    if not torch.isfinite(value).all():
        finite = bool(torch.isfinite(given.detach().double()).all())
        raise RequestError(
            f"{where} {f'exceeds the range of {wanted.dtype}' if finite else 'is not finite everywhere'}"
        )
    return value
