"""Writing files so that nothing half-written is ever found under its name, with the rights that the umask leaves."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its name when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        temporary.touch()
        rights = temporary.stat().st_mode
        yield temporary
        if temporary.stat().st_mode != rights:  # safetensors writes for the owner alone
            temporary.chmod(rights)
        to_disk(temporary)  # else a power cut could leave the new name without its content
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def new_folder(parent: Path, prefix: str) -> Path:
    """Make a folder of a name that no other process has; `tempfile.mkdtemp` would make it for its owner alone."""
    folder = parent / f"{prefix}{uuid4().hex}"
    folder.mkdir()
    return folder


def to_disk(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, atomically; NaN and infinity are refused."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
