"""State dicts out of files that somebody else wrote: none of their code is run."""

import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from registries import RequestError

WRAPPINGS = ("state_dict", "model_state_dict", "model")
"""Under what checkpoints keep the state dict."""
SAVE = "save model.state_dict() alone"
VALUES = frozenset({"argparse", "collections", "datetime", "numpy", "omegaconf", "pathlib", "types", "typing"})
TRAINERS = frozenset({"fastmri", "lightning", "lightning_fabric", "lightning_utilities", "pytorch_lightning"})
BASICS = frozenset(f"builtins.{name}" for name in ("bool", "dict", "float", "frozenset", "int", "list", "str", "tuple"))
"""Packages and names of the objects that training leaves beside weights: hyper-parameters, paths, states of callbacks.
Nothing of theirs is imported or called; a `_StandIn` takes their place."""
OLD_FORMAT = (
    *BASICS,
    "argparse.Namespace",
    "collections.defaultdict",
    "pathlib.PosixPath",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
"""Of these in files of torch before 1.6, whose objects cannot be listed beforehand."""
DICTIONARIES = frozenset({"AttributeDict", "defaultdict"})
"""Classes whose items are set one by one, which torch allows for plain dictionaries alone."""


class _StandIn:
    """In place of an object that is not wanted: takes whatever made it or changed it, and does nothing."""

    def __new__(cls, *arguments: object) -> "_StandIn":
        return object.__new__(cls)

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class _StandInDict:
    """In place of a kind of dictionary: an empty plain one."""

    def __new__(cls, *arguments: object) -> dict[object, object]:  # type: ignore[misc]
        return {}


def read_state_dict(path: Path, where: str) -> Mapping[str, Tensor]:
    """Read names and tensors: a safetensors file, or a file of ``torch.save`` that may wrap them in a checkpoint.

    Parameters
    ----------
    path : Path
    where : str
        What messages begin with.

    Raises
    ------
    RequestError
        If it cannot be read, holds objects of unknown code, or no state dict.
    """
    if not path.is_file():  # a pipe or a device may never end
        raise RequestError(f"{where}: {'is not a regular file' if path.exists() else 'no such file'}")
    with warnings.catch_warnings(action="ignore"):  # of torch, about formats; what is wrong ends in one line
        content = _safetensors(path, where) if path.suffix == ".safetensors" else _checkpoint(path, where)
    return _unwrapped(content, where)


def _safetensors(path: Path, where: str) -> Mapping[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # the library raises whatever it meets
        raise RequestError(f"{where}: cannot be read as a state dict ({type(error).__name__})") from None


def _checkpoint(path: Path, where: str) -> Any:
    """What ``torch.load`` makes of a file where nothing but tensors and plain values come to life."""
    unknown: list[str] = []
    try:
        names = _objects(path)
        unknown = sorted(name for name in names if not _is_harmless(name))
        with torch.serialization.safe_globals([_stand_in(name) for name in names if _is_harmless(name)]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        what = "is damaged or holds objects other than tensors, whose code is not run"
        example = f" ({unknown[0]})" if unknown else ""
        raise RequestError(f"{where}: {what}{example}; {SAVE}") from None
    except Exception as error:  # the library raises whatever it meets
        raise RequestError(f"{where}: cannot be read as a state dict ({type(error).__name__}); {SAVE}") from None


def _objects(path: Path) -> tuple[str, ...]:
    """Full names of the classes and functions in a checkpoint that torch itself does not take."""
    try:
        return tuple(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except ValueError:  # no archive: as torch before 1.6 wrote files
        return OLD_FORMAT


def _is_harmless(name: str) -> bool:
    return name in BASICS or name.partition(".")[0] in VALUES | TRAINERS


def _stand_in(name: str) -> tuple[Callable[..., Any], str]:
    return (_StandInDict if name.rpartition(".")[2] in DICTIONARIES else _StandIn), name


def _unwrapped(content: Any, where: str) -> Mapping[str, Tensor]:
    """The state dict itself."""
    if not isinstance(content, Mapping):
        raise RequestError(f"{where}: holds a {type(content).__name__} instead of a state dict of names and tensors")
    inner = next((content[name] for name in WRAPPINGS if isinstance(content.get(name), Mapping)), content)
    for name, value in inner.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            kind = type(value).__name__.lstrip("_")
            raise RequestError(f"{where}: holds no state dict of names and tensors: '{name}' is of type {kind}")
    return inner
