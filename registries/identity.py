"""Which code an entry is: part of every stage key, so that results of other code are never reused."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from registries.errors import RequestError
from registries.modules import SUITE, files_of, fingerprint, is_own, with_imported

BUILT_IN = "built-in"


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
        ``built-in``; ``sha256:…`` of a plug-in file, together with the modules outside of site-packages that it imports
        where there are any; ``distribution==version`` of an installed package, followed by the hash of its sources
        where these lie outside of site-packages (an editable install).
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
    files = files_of(module, "") or _file_of(code)
    owners = metadata.packages_distributions().get(package)
    if owners:
        origin = f"{owners[0]}=={metadata.version(owners[0])}"
        editable = bool(files) and all(is_own(file) for file in files.values())
        return Identity(name, version, f"{origin} {_hash_of(files)}" if editable else origin)
    return Identity(name, version, _hash_of(files) if files else f"module:{module}")


def _file_of(code: Callable[..., Any]) -> dict[str, Path]:
    source = inspect.getsourcefile(code)
    return {"": Path(source)} if source else {}


def _hash_of(files: Mapping[str, Path]) -> str:
    return f"sha256:{fingerprint(with_imported(files))}"
