"""What is wrong with data, by file and key."""

from pathlib import Path

from registries import RequestError


class DataError(RequestError):
    """Data that cannot be used: one line that names the file and, inside it, the key."""

    def __init__(self, path: Path, key: str | None, problem: str) -> None:
        where = f"{path}" if key is None else f"{path}, key '{key}'"
        super().__init__(f"{where}: {problem}")
