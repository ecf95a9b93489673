"""The content-addressed store of stages: each computed once, found again by its key, checked when it is read."""

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from bench.store.curve import CURVE, curve_text
from bench.store.reading import (
    CHECKPOINT,
    MASK,
    STAGE,
    TENSORS,
    WEIGHTS,
    DamagedTensorsError,
    read_about,
    read_checkpoint,
    read_state,
    read_value,
)
from bench.store.state import Checkpoint, StageCost, State
from registries import RequestError
from registries.files import new_folder, replacing
from registries.hashing import content_key, file_hash
from registries.sealed import DamagedError, save_tensors, write_sealed_json

LEFTOVER_SECONDS = 24 * 3600
JOURNAL = "journal.txt"
ASIDE = ".damaged-*"
TAKEN = (errno.ENOTEMPTY, errno.EEXIST)
ATTEMPTS = 20


class Store:
    """Finished stages in ``folder/<key>/``, unfinished ones in ``folder/<key>.checkpoint.safetensors``.

    Weights and masks lie in ``folder/<hash of the file>.tensors.safetensors``, where stages of equal ones share them:
    pruning leaves the weights alone, rewinding the mask, training mostly too. A stage holds the hashes of its two, and
    its curve if it has one.

    Everything carries the hash of what it holds. What does not fit is set aside, which is said, and counts as absent.

    Parameters
    ----------
    folder : Path
    say : callable
        Told what is set aside, one line each.

    Raises
    ------
    RequestError
        If the folder cannot be written.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda line: None) -> None:
        self.folder = folder
        self._say = say
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise RequestError(f"--out {folder.parent}: cannot write there ({error.strerror})") from None
        self._sweep_leftovers()

    def load(self, key: str) -> tuple[State, StageCost] | None:
        """The state after a stage and what it cost, or None."""
        folder = self.folder / key
        try:
            files, cost = read_about(folder)
            state = read_state(files)
        except FileNotFoundError:
            if folder.is_dir():
                self._set_aside(folder, "lacks a file")
            return None
        except DamagedError as error:
            if isinstance(error, DamagedTensorsError) and error.file.shared:
                self._move_aside(error.file.path)
            self._set_aside(folder, str(error))
            return None
        for path in (folder, *(file.path for file in files)):
            with suppress(FileNotFoundError, PermissionError):  # somebody else's
                os.utime(path)  # when it was last of use
        return state, replace(cost, reused=True)

    def save(self, key: str, state: State, cost: StageCost, description: Mapping[str, Any]) -> None:
        """Keep a finished stage; its checkpoint is dropped."""
        hashes = {name: self._share(tensors) for name, tensors in ((WEIGHTS, state.weights), (MASK, state.mask))}
        temporary = new_folder(self.folder, f".{key[:16]}.")
        try:
            if cost.curve:
                with replacing(temporary / CURVE) as path:
                    path.write_text(curve_text(cost.curve), encoding="utf-8")
                hashes[CURVE] = file_hash(temporary / CURVE)
            values = asdict(replace(cost, curve=()))
            del values["curve"]  # it has its file
            about = {"key": key, "cost": values, "stage": dict(description), "files": hashes}
            write_sealed_json(temporary / STAGE, about)
            self._put(temporary, self.folder / key)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self.drop_checkpoint(key)
        self._note("done", key)

    def begin(self, key: str) -> None:
        """Note that this process computes a stage from here on."""
        self._note("begun", key)

    def load_checkpoint(self, key: str) -> Checkpoint | None:
        """Where an interrupted stage stopped, or None."""
        path = self._checkpoint_path(key)
        try:
            return read_checkpoint(path)
        except FileNotFoundError:
            return None
        except DamagedError as error:
            self._set_aside(path, str(error))
            return None

    def save_checkpoint(self, key: str, checkpoint: Checkpoint) -> None:
        """Keep the progress of a stage."""
        progress = {"key": key, "step": checkpoint.step, "macs": checkpoint.macs, "seconds": checkpoint.seconds}
        save_tensors(self._checkpoint_path(key), checkpoint.tensors, progress)

    def drop_checkpoint(self, key: str) -> None:
        """Forget the progress of a stage."""
        self._checkpoint_path(key).unlink(missing_ok=True)

    def load_value(self, inputs: Any) -> Any | None:
        """A JSON value computed before from the same inputs, or None."""
        path = self._value_path(inputs)
        try:
            return read_value(path)
        except FileNotFoundError:
            return None
        except DamagedError as error:
            self._set_aside(path, str(error))
            return None

    def save_value(self, inputs: Any, value: Any) -> None:
        """Keep a JSON value by what it was computed from."""
        path = self._value_path(inputs)
        write_sealed_json(path, {"key": path.stem, "value": value})

    def _share(self, tensors: Mapping[str, Tensor]) -> str:
        """Keep tensors unless they are there already, whole; gives the hash under which they lie."""
        content = safetensors.torch.save(dict(tensors))
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.folder / f"{sha256}{TENSORS}"
        try:
            with suppress(PermissionError):  # somebody else's
                os.utime(path)  # from now on it is not removed as unused
            known = file_hash(path) == sha256
        except FileNotFoundError:
            known = False
        if not known:
            with replacing(path) as temporary:
                temporary.write_bytes(content)
        return sha256

    def _put(self, new: Path, final: Path) -> None:
        """Give a folder its name; another process may be doing the same. In between it is absent, never half."""
        for _ in range(ATTEMPTS):
            try:
                new.replace(final)
                return
            except OSError as error:
                if error.errno not in TAKEN:
                    raise
            aside = new_folder(self.folder, f".{final.name[:16]}.")
            try:
                with suppress(FileNotFoundError):
                    final.replace(aside / "old")
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        raise RequestError(f"{final}: other processes write this stage again and again; end them")

    def _set_aside(self, path: Path, problem: str) -> None:
        """Move away what is damaged, for somebody to look at; a day later it is removed."""
        if self._move_aside(path):
            self._say(f"set aside {path.name[:20]}…: {problem}; computed anew")

    def _move_aside(self, path: Path) -> bool:
        aside = path.with_name(ASIDE.replace("*", f"{os.getpid()}-{time.time_ns()}-{path.name}"))
        try:
            path.replace(aside)
            os.utime(aside)
        except FileNotFoundError:  # another process was faster
            return False
        return True

    def _sweep_leftovers(self) -> None:
        """Remove what killed processes left half-written, once it is too old to belong to a living one."""
        for path in self.folder.glob(".*"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _note(self, event: str, key: str) -> None:
        """A line in the journal; short appended writes of several processes do not mix."""
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as stream:
            stream.write(f"{event} {key} {os.getpid()}\n")

    def _checkpoint_path(self, key: str) -> Path:
        return self.folder / f"{key}{CHECKPOINT}"

    def _value_path(self, inputs: Any) -> Path:
        return self.folder / f"{content_key(inputs)}.json"
