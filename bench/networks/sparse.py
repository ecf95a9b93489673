"""A sparse network on the disk: one bit per prunable weight, and the values that are kept."""

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from pruners import Mask
from registries import RequestError
from registries.files import replacing

BITS, VALUES = ".bits", ".values"


def write_sparse(path: Path, weights: Mapping[str, Tensor], mask: Mask) -> None:
    """Write a state dict, of the weights under the mask only those that are kept.

    Parameters
    ----------
    path : Path
        A safetensors file: ``NAME.bits`` packed eight to a byte, ``NAME.values`` in the order of the weight.
    weights : mapping of str to Tensor
        The whole state dict.
    mask : Mask
    """
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        if name in mask:
            found[name + BITS] = torch.from_numpy(np.packbits(mask[name].cpu().numpy().reshape(-1)))
            found[name + VALUES] = value.detach().cpu()[mask[name].cpu()].contiguous()
        else:
            found[name] = value.detach().cpu().contiguous()
    shapes = {name: list(kept.shape) for name, kept in mask.items()}
    with replacing(path) as temporary:
        safetensors.torch.save_file(found, temporary, {"shapes": json.dumps(shapes)})


def read_sparse(path: Path) -> dict[str, Tensor]:
    """The whole state dict, with zeros where nothing was kept.

    Raises
    ------
    RequestError
        If it is no such file.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            shapes = json.loads(file.metadata()["shapes"])
        stored = safetensors.torch.load_file(path)
        found = {name: value for name, value in stored.items() if not name.endswith((BITS, VALUES))}
        for name, shape in shapes.items():
            bits = np.unpackbits(stored[name + BITS].numpy(), count=prod(shape)).astype(bool)
            values = stored[name + VALUES]
            whole = torch.zeros(prod(shape), dtype=values.dtype)
            whole[torch.from_numpy(bits)] = values
            found[name] = whole.reshape(shape)
    except Exception as error:  # whatever somebody's file holds
        raise RequestError(f"{path}: is no sparse network ({type(error).__name__}: {error})") from None
    return found
