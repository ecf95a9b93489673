"""Which code an entry is: part of every stage key, so that results of other code are never reused."""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from registries.errors import RequestError

BUILT_IN = "built-in"
SUITE = frozenset({"architectures", "bench", "datasets", "leaderboards", "pruners"})


@dataclass(frozen=True)
class Identity:
    """Name and version of an entry and where its code comes from.

    Attributes
    ----------
    name : str
        The entry's registered name.
    version : int
        Raised by the author whenever the entry's output changes.
    origin : str
        ``built-in``, ``sha256:…`` of a plug-in file, or ``distribution==version`` of an installed package.
    """

    name: str
    version: int
    origin: str


def identify(name: str, version: int, code: Callable[..., Any]) -> Identity:
    """Find out where the code of an entry comes from.

    Parameters
    ----------
    name, version
        As registered.
    code : function or class
        The entry itself.

    Raises
    ------
    RequestError
        If the version is not a whole number.
    """
    if type(version) is not int:
        raise RequestError(f"'{name}': version {version!r} is not a whole number")
    module = code.__module__
    package = module.partition(".")[0]
    if package in SUITE:
        return Identity(name, version, BUILT_IN)
    owners = metadata.packages_distributions().get(package)
    if owners:
        return Identity(name, version, f"{owners[0]}=={metadata.version(owners[0])}")
    source = inspect.getsourcefile(code)
    if source is None:
        return Identity(name, version, f"module:{module}")
    return Identity(name, version, f"sha256:{hashlib.sha256(Path(source).read_bytes()).hexdigest()}")
