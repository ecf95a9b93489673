"""What lies in a store: reading it, and checking that it is what was written."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from bench.store.curve import CURVE, Curve, curve_of
from bench.store.state import Checkpoint, StageCost, State
from pruners import Mask
from registries.hashing import file_hash
from registries.sealed import DamagedError, EarlierError, load_tensors, read_sealed_json

WEIGHTS, MASK = "weights.safetensors", "mask.safetensors"
STAGE = "stage.json"
CHECKPOINT = ".checkpoint.safetensors"
TENSORS = ".tensors.safetensors"
_OTHER_VERSION = "is of another version ({})"


@dataclass(frozen=True)
class TensorFile:
    """Where a stage has tensors.

    Attributes
    ----------
    path : Path
    name : str
        What they are.
    sha256 : str
        Of the file.
    """

    path: Path
    name: str
    sha256: str

    @property
    def shared(self) -> bool:
        """Whether other stages may have the same file."""
        return self.path.name.endswith(TENSORS)


class DamagedTensorsError(DamagedError):
    """Tensors of a stage that are not what was written.

    Attributes
    ----------
    file : TensorFile
    """

    def __init__(self, file: TensorFile) -> None:
        super().__init__(f"{file.name} is not what was written")
        self.file = file


def read_about(folder: Path) -> tuple[tuple[TensorFile, TensorFile], StageCost]:
    """Where the weights and the mask of a finished stage are, and what it cost, with its curve.

    Raises
    ------
    FileNotFoundError
        If it, or a file of it, is absent.
    DamagedError
        If it does not hold what was written.
    """
    about = read_sealed_json(folder / STAGE)
    _check_key(about, folder.name)
    try:
        weights, mask = (_file(folder, name, about["files"][name]) for name in (WEIGHTS, MASK))
        return (weights, mask), StageCost(**about["cost"], curve=_read_curve(folder, about["files"]))
    except (KeyError, TypeError) as error:
        raise DamagedError(_OTHER_VERSION.format(error)) from None


def _read_curve(folder: Path, hashes: Mapping[str, str]) -> Curve:
    """Of a stage; stages that take no steps have none, nor those of earlier versions."""
    if CURVE not in hashes:
        return ()
    content = (folder / CURVE).read_bytes()
    if hashlib.sha256(content).hexdigest() != hashes[CURVE]:
        raise DamagedError(f"{CURVE} is not what was written")
    try:
        return curve_of(content.decode())
    except ValueError as error:
        raise DamagedError(_OTHER_VERSION.format(error)) from None


def read_state(files: tuple[TensorFile, TensorFile]) -> State:
    """What is kept in these files; raises as `read_about`."""
    weights, mask = (_checked(file) for file in files)
    try:
        return State(weights, Mask(mask))
    except (TypeError, ValueError) as error:
        raise DamagedError(_OTHER_VERSION.format(error)) from None


def _file(folder: Path, name: str, sha256: str) -> TensorFile:
    own = folder / name  # of stores whose stages shared nothing
    return TensorFile(own if own.exists() else folder.with_name(f"{sha256}{TENSORS}"), name, sha256)


def read_checkpoint(path: Path) -> Checkpoint:
    """The progress of a stage; raises as `read_about`."""
    tensors, progress = load_tensors(path)
    _check_key(progress, path.name.removesuffix(CHECKPOINT))
    try:
        return Checkpoint(tensors=tensors, **progress)
    except TypeError as error:
        raise DamagedError(_OTHER_VERSION.format(error)) from None


def read_value(path: Path) -> Any:
    """A JSON value; raises as `read_about`."""
    content = read_sealed_json(path)
    _check_key(content, path.stem)
    return content.get("value")


def _check_key(content: dict[str, Any], key: str) -> None:
    """What lies under another name than its own is of another stage."""
    if "key" not in content:
        raise EarlierError
    if content.pop("key") != key:
        raise DamagedError("is that of another one")


def check_tensors(file: TensorFile) -> None:
    """Compare a file with its hash.

    Raises
    ------
    FileNotFoundError
        If it is absent.
    DamagedTensorsError
        If it does not hold what was written.
    """
    if file_hash(file.path) != file.sha256:
        raise DamagedTensorsError(file)


def _checked(file: TensorFile) -> dict[str, Tensor]:
    check_tensors(file)
    return dict(safetensors.torch.load_file(file.path))
