"""The content-addressed store of stages: each computed once, found again by its key."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from bench.store.state import Checkpoint, StageCost, State
from datasets.errors import DataError
from pruners import Mask
from registries import RequestError
from registries.files import replacing, to_disk, write_json
from registries.hashing import content_key, file_hash

LEFTOVER_SECONDS = 24 * 3600
TENSORS = ("weights.safetensors", "mask.safetensors")
STAGE = "stage.json"
JOURNAL = "journal.txt"


class Store:
    """Finished stages in ``folder/<key>/``, unfinished ones in ``folder/<key>.checkpoint.safetensors``.

    Raises
    ------
    RequestError
        If the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise RequestError(f"--out {folder.parent}: cannot write there ({error.strerror})") from None
        self._sweep_leftovers()

    def load(self, key: str) -> tuple[State, StageCost] | None:
        """The state after a stage and what it cost, or None.

        Raises
        ------
        DataError
            If what is stored was damaged.
        """
        folder = self.folder / key
        if not folder.is_dir():
            return None
        try:
            weights = safetensors.torch.load_file(folder / "weights.safetensors")
            mask = Mask(safetensors.torch.load_file(folder / "mask.safetensors"))
            cost = StageCost(**json.loads((folder / STAGE).read_text())["cost"])
        except Exception as error:
            raise DataError(folder, None, f"is a damaged stage ({error}); delete it, it is computed anew") from None
        os.utime(folder)  # when it was last of use
        return State(weights, mask), replace(cost, reused=True)

    def save(self, key: str, state: State, cost: StageCost, description: Mapping[str, Any]) -> None:
        """Keep a finished stage; its checkpoint is dropped."""
        temporary = Path(tempfile.mkdtemp(dir=self.folder, prefix=f".{key[:16]}."))
        final, old = self.folder / key, temporary.with_name(f"{temporary.name}.old")
        try:
            safetensors.torch.save_file(dict(state.weights), temporary / "weights.safetensors")
            safetensors.torch.save_file(dict(state.mask), temporary / "mask.safetensors")
            hashes = {name: file_hash(temporary / name) for name in TENSORS}
            write_json(temporary / STAGE, {"cost": asdict(cost), "stage": dict(description), "sha256": hashes})
            for name in TENSORS:
                to_disk(temporary / name)
            temporary.chmod(0o755)
            if final.exists():  # a folder cannot be replaced in one step; in between the stage is absent, never half
                final.replace(old)
            temporary.replace(final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
        self.drop_checkpoint(key)
        self._note("done", key)

    def begin(self, key: str) -> None:
        """Note that this process computes a stage from here on."""
        self._note("begun", key)

    def load_checkpoint(self, key: str) -> Checkpoint | None:
        """Where an interrupted stage stopped, or None."""
        path = self._checkpoint_path(key)
        if not path.exists():
            return None
        try:
            with safetensors.safe_open(path, "pt") as file:
                progress = json.loads(file.metadata()["progress"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Checkpoint(tensors=tensors, **progress)
        except Exception as error:
            raise DataError(
                path, None, f"is a damaged checkpoint ({error}); delete it, the stage starts anew"
            ) from None

    def save_checkpoint(self, key: str, checkpoint: Checkpoint) -> None:
        """Keep the progress of a stage."""
        progress = {"step": checkpoint.step, "macs": checkpoint.macs, "seconds": checkpoint.seconds}
        with replacing(self._checkpoint_path(key)) as temporary:
            safetensors.torch.save_file(dict(checkpoint.tensors), temporary, {"progress": json.dumps(progress)})

    def drop_checkpoint(self, key: str) -> None:
        """Forget the progress of a stage."""
        self._checkpoint_path(key).unlink(missing_ok=True)

    def load_value(self, inputs: Any) -> Any | None:
        """A JSON value computed before from the same inputs, or None."""
        path = self._value_path(inputs)
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text())
        except ValueError:
            raise DataError(path, None, "is damaged; delete it, it is computed anew") from None

    def save_value(self, inputs: Any, value: Any) -> None:
        """Keep a JSON value by what it was computed from."""
        write_json(self._value_path(inputs), value)

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
        return self.folder / f"{key}.checkpoint.safetensors"

    def _value_path(self, inputs: Any) -> Path:
        return self.folder / f"{content_key(inputs)}.json"
