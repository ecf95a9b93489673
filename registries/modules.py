"""Code of a user's own: outside the suite, the standard library and site-packages.

Each of its files is read once in a process: what runs is what is hashed, whatever is edited meanwhile.
"""

import ast
import hashlib
import importlib.machinery
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from registries.hashing import content_key

SUITE = frozenset({"architectures", "bench", "datasets", "leaderboards", "pruners", "records", "registries"})
BENEATH = frozenset({"torch"})
"""Its version is in every key; a build of somebody's own has thousands of files."""
SUFFIXES = (".py", *importlib.machinery.EXTENSION_SUFFIXES)
_LIBRARY = Path(sysconfig.get_path("stdlib"))
_read: dict[Path, bytes] = {}


def is_own(file: Path) -> bool:
    """Whether a file is neither of the standard library nor of an installed package."""
    return _LIBRARY not in file.parents and not {"site-packages", "dist-packages"}.intersection(file.parts)


def source(file: Path) -> bytes:
    """Content of a file when this process first needed it."""
    file = file.resolve()
    if file not in _read:
        _read[file] = file.read_bytes()
    return _read[file]


def forget(file: Path) -> None:
    """Read a file anew when it is needed next."""
    _read.pop(file.resolve(), None)


class OnceReadLoader(SourceFileLoader):
    """Runs what `source` gives; Python's own would also take compiled code, which may be of an earlier edit."""

    def get_code(self, fullname: str) -> CodeType:
        """Compiled from the source."""
        code: CodeType = self.source_to_code(source(Path(self.path)), self.path)
        return code


class _Finder:
    """Hands modules of a user's own, wherever the finders behind it find them, to that loader."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in SUITE:
            return None
        behind = sys.meta_path[sys.meta_path.index(self) + 1 :]
        spec = next((spec for finder in behind if (spec := finder.find_spec(name, path, target))), None)
        if spec and type(spec.loader) is SourceFileLoader and is_own(Path(spec.loader.path)):
            spec.loader = OnceReadLoader(name, spec.loader.path)
        return spec


_FINDER = _Finder()


def read_once() -> None:
    """From now on modules of a user's own are read once."""
    if _FINDER not in sys.meta_path:
        place = sys.meta_path.index(importlib.machinery.PathFinder)
        sys.meta_path.insert(place, _FINDER)


def files_of(module: str, name: str | None = None) -> dict[str, Path]:
    """Files of the package, or the single module, that a module belongs to.

    Parameters
    ----------
    module : str
        Dotted; in folders without ``__init__`` each module stands for itself.
    name : str, optional
        What the package or module is called in the result.

    Returns
    -------
    dict of str to Path
        By dotted name; empty where there is no such module, or it has no file.
    """
    parts = module.split(".")
    folders: Sequence[str] | None = None
    for number in range(1, len(parts) + 1):
        outer = ".".join(parts[:number])
        spec = _spec(outer, folders)
        if spec and spec.has_location and spec.origin:
            return dict(_files(Path(spec.origin), outer if name is None else name))
        if spec is None or spec.submodule_search_locations is None:
            break
        folders = list(spec.submodule_search_locations)
    return {}


def with_imported(files: Mapping[str, Path]) -> dict[str, Path]:
    """These files and all of a user's own that they import, also inside of functions, and what those import."""
    found, names, waiting = dict(files), set[str](), list(files.values())
    while waiting:
        file = waiting.pop()
        for name in imported(source(file)) - names if file.suffix == ".py" else ():
            names.add(name)
            for module, other in files_of(name).items():
                if module not in found and is_own(other):
                    found[module] = other
                    waiting.append(other)
    return found


def fingerprint(files: Mapping[str, Path]) -> str:
    """SHA-256 of a file, or of the names and hashes of several."""
    hashes = {name: hashlib.sha256(source(file)).hexdigest() for name, file in files.items()}
    return next(iter(hashes.values())) if len(hashes) == 1 else content_key(sorted(hashes.items()))


def _spec(module: str, folders: Sequence[str] | None) -> ModuleSpec | None:
    """Where a module comes from; nothing is imported for it."""
    known = getattr(sys.modules.get(module), "__spec__", None)
    if known:
        return known  # type: ignore[no-any-return]
    return next((spec for finder in sys.meta_path if (spec := finder.find_spec(module, folders))), None)


def _files(file: Path, name: str) -> Iterator[tuple[str, Path]]:
    yield name, file
    if file.stem == "__init__":
        for other in sorted(file.parent.rglob("*")):
            if other.name.endswith(SUFFIXES) and other != file:
                yield ".".join([name, *other.relative_to(file.parent).with_suffix("").parts]), other


@lru_cache(maxsize=4096)
def imported(text: bytes) -> frozenset[str]:
    """Modules that a source names, by ``import`` or as text given to ``import_module``; relative ones left out."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # it cannot be imported either
        return frozenset()
    names = {name for node in ast.walk(tree) for name in _named(node)}
    return frozenset(name for name in names if name.partition(".")[0] not in sys.stdlib_module_names | SUITE | BENEATH)


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (one.name for one in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{one.name}" for one in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = getattr(node.func, "attr", getattr(node.func, "id", None))
        if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
            yield node.args[0].value
