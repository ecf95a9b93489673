"""Weights of a network somebody has, to start `after` from."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from architectures import Architecture
from registries import RequestError


def load_given(path: Path, model: Architecture) -> dict[str, Tensor]:
    """Read a state dict for a network: safetensors, or what ``torch.load`` reads with ``weights_only=True``.

    Raises
    ------
    RequestError
        If it cannot be read, or has other names or shapes than the network.
    """
    where = f"--dense-weights {path}"
    try:
        if path.suffix == ".safetensors":
            found = safetensors.torch.load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both libraries raise whatever they meet
        raise RequestError(f"{where}: cannot be read as a state dict ({type(error).__name__})") from None
    if not (isinstance(found, Mapping) and all(isinstance(value, Tensor) for value in found.values())):
        raise RequestError(f"{where}: holds no state dict of names and tensors")
    wanted = model.state_dict()
    missing, surplus = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    if missing or surplus:
        name = (missing or surplus)[0]
        raise RequestError(
            f"{where}: is of another network: {len(missing)} names are missing, {len(surplus)} unknown, e.g. '{name}'"
        )
    for name, value in wanted.items():
        if found[name].shape != value.shape:
            raise RequestError(f"{where}: '{name}' is {tuple(found[name].shape)}, not {tuple(value.shape)}")
        if not torch.isfinite(found[name]).all():
            raise RequestError(f"{where}: '{name}' is not finite everywhere")
    for name, value in model.named_buffers():
        if not torch.allclose(found[name].to(value.dtype), value):
            raise RequestError(
                f"{where}: '{name}' is {found[name].tolist()}, and fixed at {value.tolist()} in this network"
            )
    for name in model.prunable():
        if not found[name].all():
            raise RequestError(f"{where}: '{name}' has weights of exactly zero: this network is pruned already")
    return {name: found[name].to(value.dtype).contiguous() for name, value in wanted.items()}


def hash_of(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name}{tuple(weights[name].shape)}".encode())
        digest.update(weights[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
