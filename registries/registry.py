"""A catalogue of named entries: duplicates are refused, unknown names answered with the nearest ones."""

import fnmatch
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any, Generic, Protocol, TypeVar

from registries.errors import RequestError
from registries.modules import read_once
from registries.text import offer


class Named(Protocol):
    """What a registry asks of an entry."""

    @property
    def name(self) -> str:
        """The word a user types."""


Entry = TypeVar("Entry", bound=Named)


class Registry(Generic[Entry]):
    """Entries of one kind by name; the modules of ``package`` are imported on the first look-up.

    Parameters
    ----------
    kind : str
        What an entry is called in messages, e.g. ``pruner``.
    package : str
        The package whose modules register the built-in entries, one file each.
    entry_points : str, optional
        Group in which installed packages name modules that register entries of theirs; read after the built-in ones.

    Attributes
    ----------
    broken : dict
        Installed entries that could not be loaded, and why; the others can be used all the same.
    """

    def __init__(self, kind: str, package: str, entry_points: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._entry_points = entry_points
        self._entries: dict[str, Entry] = {}
        self._loaded = False
        self.broken: dict[str, str] = {}

    def add(self, entry: Entry) -> None:
        """Register an entry.

        Raises
        ------
        RequestError
            If the name is taken.
        """
        if entry.name in self._entries:
            raise RequestError(f"{self.kind} '{entry.name}' is registered twice: rename one of them")
        self._entries[entry.name] = entry

    @contextmanager
    def override(self, *entries: Entry) -> Iterator[None]:
        """For a while, entries in place of those of their names; what is added meanwhile goes again."""
        self._load()
        before = dict(self._entries)
        self._entries |= {entry.name: entry for entry in entries}
        try:
            yield
        finally:
            self._entries = before

    def get(self, name: str) -> Entry:
        """Return the entry of that name.

        Raises
        ------
        RequestError
            If there is none; the message names the nearest ones and all others.
        """
        self._load()
        if name not in self._entries and name in self.broken:
            raise RequestError(self.broken[name])
        if name not in self._entries:
            raise RequestError(f"unknown {self.kind} '{name}': {offer(name, sorted(self._entries))}")
        return self._entries[name]

    def names(self, pattern: str = "*") -> tuple[str, ...]:
        """Sorted names that match a shell pattern such as ``sn*``."""
        self._load()
        return tuple(sorted(fnmatch.filter(self._entries, pattern)))

    def __iter__(self) -> Iterator[Entry]:
        return iter([self.get(name) for name in self.names()])

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            read_once()
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self._package}.{module.name}")
            for point in entry_points(group=self._entry_points) if self._entry_points else ():
                try:
                    point.load()
                except Exception as error:  # whatever somebody's package does
                    self.broken[point.name] = (
                        f"installed {self.kind} '{point.name}' ({point.value}): cannot be imported: "
                        f"{type(error).__name__}: {error}"
                    )


def key_of(code: Callable[..., Any]) -> str:
    """Registry key of a function: its name, with ``_`` read as ``-``."""
    return code.__name__.replace("_", "-")


def summary_of(code: Callable[..., Any]) -> str:
    """First line of an entry's docstring.

    Raises
    ------
    RequestError
        If the entry has no docstring.
    """
    if not code.__doc__:
        raise RequestError(f"'{code.__name__}' has no docstring: its first line is what `list` shows")
    return code.__doc__.strip().splitlines()[0].strip()
