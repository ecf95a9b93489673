"""Weights of a network somebody has, trained here or elsewhere, in the forms they come in."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from architectures import Architecture, architectures
from architectures.outline import outline
from bench.networks.reading import read_state_dict
from registries import RequestError

PRUNED = 0.01
"""Share of zeros among the prunable weights above which a network counts as pruned: rounding to half precision makes
about one in a million, a mask that is worth its name far more than one in a hundred."""


def load_given(path: Path, model: Architecture) -> dict[str, Tensor]:
    """Read the dense weights that ``--dense-weights`` names: as `load_weights`, and refused if they are pruned."""
    where = f"--dense-weights {path}"
    weights = load_weights(path, model, where)
    _refuse_pruned(weights, model, where)
    return weights


def load_weights(path: Path, model: Architecture, where: str) -> dict[str, Tensor]:
    """Read a state dict for a network: safetensors, or what ``torch.save`` or Lightning wrote; none of its code is run.

    It may be wrapped in a checkpoint, and its names may all begin with the same prefix, such as ``module.`` or
    ``varnet.``; tensors without that prefix belong to other modules and are left out.

    Parameters
    ----------
    path : Path
    model : Architecture
    where : str
        What messages begin with, such as ``--weights FILE``.

    Returns
    -------
    dict of str to Tensor
        Of the names, shapes and types of the network.

    Raises
    ------
    RequestError
        If it cannot be read, has other names or shapes than the network, or values that the network cannot hold.
    """
    wanted = model.state_dict()
    own = _own(read_state_dict(path, where), wanted, where)
    weights = {name: _converted(own[name], value, f"{where}: '{name}'") for name, value in wanted.items()}
    for name, value in model.named_buffers():
        if not torch.allclose(weights[name], value):
            raise RequestError(
                f"{where}: '{name}' is {weights[name].tolist()}, and fixed at {value.tolist()} in this network"
            )
    return weights


def _refuse_pruned(weights: Mapping[str, Tensor], model: Architecture, where: str) -> None:
    prunable = [weights[name] for name in model.prunable()]
    zeros, total = (sum(numbers) for numbers in zip(*((int((w == 0).sum()), w.numel()) for w in prunable), strict=True))
    if zeros > PRUNED * total:
        raise RequestError(
            f"{where}: {100 * zeros / total:.1f} % of the prunable weights are exactly zero (at most "
            f"{100 * PRUNED:.0f} % may be): this network is pruned already; give the dense one"
        )


def hash_of(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name}{tuple(weights[name].shape)}".encode())
        digest.update(weights[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _own(stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor], where: str) -> Mapping[str, Tensor]:
    """The tensors of the network by its own names; a prefix also tells them from those of other modules."""
    counts = _prefixes(stored, wanted)
    whole = sorted(prefix for prefix, number in counts.items() if number == len(wanted))
    if len(whole) > 1:
        raise RequestError(f"{where}: holds this network more than once, under '{whole[0]}' and '{whole[1]}'; save one")
    own = _without_prefix(stored, counts)
    missing, unknown = sorted(set(wanted) - set(own)), sorted(set(own) - set(wanted))
    if missing or unknown:
        name = (missing or unknown)[0]
        wrong = f"{len(missing)} names are missing, {len(unknown)} unknown, e.g. '{name}'"
        raise RequestError(f"{where}: is of another network: {wrong}{_hint(stored)}")
    for name, value in wanted.items():
        if own[name].shape != value.shape:
            shapes = f"{tuple(own[name].shape)}, not {tuple(value.shape)}"
            raise RequestError(f"{where}: '{name}' is {shapes}{_hint(stored)}")
    return own


def _hint(stored: Mapping[str, Tensor]) -> str:
    """Which declared networks the tensors are of, if any, as one asks for them."""
    fitting = []
    for entry in architectures:
        for size in entry.sizes:
            wanted = outline(entry, size).model.state_dict()
            own = _without_prefix(stored, _prefixes(stored, wanted))
            if {name: v.shape for name, v in own.items()} == {name: v.shape for name, v in wanted.items()}:
                fitting.append(f"--arch {entry.name} --size {size}")
    return f"; it fits {' or '.join(fitting)}" if fitting else ""


def _prefixes(stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Counter[str]:
    """Beginnings of the names, ``""``, ``a.``, ``a.b.``, and how many names of the network follow each."""
    parts = ((name, ["", *accumulate(f"{part}." for part in name.split(".")[:-1])]) for name in stored)
    return Counter(prefix for name, some in parts for prefix in some if name.removeprefix(prefix) in wanted)


def _without_prefix(stored: Mapping[str, Tensor], counts: Counter[str]) -> Mapping[str, Tensor]:
    ((prefix, _),) = counts.most_common(1) or [("", 0)]
    return {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}


def _converted(given: Tensor, wanted: Tensor, where: str) -> Tensor:
    """A tensor in the type of the network, without loss of what matters."""
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
