"""What a trial says, on the terminal and in its log."""

from pathlib import Path
from types import TracebackType
from typing import Self

from registries import RequestError


class Journal:
    """Prints lines and appends them to a log file.

    Raises
    ------
    RequestError
        If the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace")  # tracebacks hold any text
        except OSError as error:
            raise RequestError(f"--out {path.parent.parent}: cannot write there ({error.strerror})") from None

    def say(self, text: str) -> None:
        """Print and keep."""
        print(text, flush=True)
        self.log(text)

    def log(self, text: str) -> None:
        """Keep without printing."""
        self._file.write(text + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
