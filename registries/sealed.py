"""Files that carry the SHA-256 of what they hold; it is checked whenever they are read."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from registries.files import replacing, write_json
from registries.hashing import content_key

SEAL = "sha256"


class DamagedError(Exception):
    """A file that does not hold what was written; the message says what is wrong, without the path."""


class EarlierError(DamagedError):
    """A file of an earlier version."""

    def __init__(self) -> None:
        super().__init__("was written by an earlier version, without a hash of all that it holds")


def save_tensors(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any] | None = None) -> None:
    """Write tensors and a JSON value about them, atomically.

    Parameters
    ----------
    path : Path
        Of a safetensors file.
    tensors : mapping of str to Tensor
    notes : mapping, optional
    """
    text = json.dumps(notes or {}, sort_keys=True, allow_nan=False)
    with replacing(path) as temporary:
        seal = tensors_hash(tensors, text)
        safetensors.torch.save_file(dict(tensors), temporary, {"notes": text, SEAL: seal})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_tensors` wrote.

    Raises
    ------
    DamagedError
        If the file holds something else.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            about = file.metadata() or {}
            if SEAL not in about:
                raise EarlierError
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        notes = json.loads(about["notes"])
    except (FileNotFoundError, DamagedError):
        raise
    except Exception as error:  # the library raises whatever it meets
        raise DamagedError(f"cannot be read ({type(error).__name__})") from None
    if tensors_hash(tensors, about["notes"]) != about[SEAL]:
        raise DamagedError("does not hold what was written")
    return tensors, notes


def tensors_hash(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """SHA-256 of tensors with their names, types and shapes, and of a text."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_sealed_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object with its hash among its keys, atomically."""
    write_json(path, {**content, SEAL: content_key(dict(content))})


def read_sealed_json(path: Path) -> dict[str, Any]:
    """What `write_sealed_json` wrote, without the hash.

    Raises
    ------
    DamagedError
        If the file holds something else.
    """
    try:
        content = json.loads(path.read_bytes())
        if SEAL not in content:
            raise EarlierError
        seal = content.pop(SEAL)
        found = content_key(content)
    except FileNotFoundError:
        raise
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise DamagedError(f"cannot be read ({type(error).__name__})") from None
    if found != seal:
        raise DamagedError("does not hold what was written")
    return dict(content)
