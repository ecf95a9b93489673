"""Entries from a file of a user's own."""

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path

from registries.errors import RequestError
from registries.hashing import content_key
from registries.modules import OnceReadLoader, files_of, fingerprint, forget, imported, read_once, source, with_imported


def load_plugin(path: Path) -> str:
    """Run a Python file, whose decorators register its entries; it may import modules and packages beside it.

    Returns
    -------
    str
        SHA-256 of the file and of the modules of a user's own that it imports, as they were run.

    Raises
    ------
    RequestError
        If there is no such file, it cannot be imported, or it registers a name that is taken.
    """
    path = path.expanduser().resolve()
    if not path.is_file():
        raise RequestError(f"--plugin {path}: no such file")
    name = f"plugin_{path.stem}_{content_key(str(path))[:8]}"
    if path.suffix != ".py":
        raise RequestError(f"--plugin {path}: is no Python file")
    spec = importlib.util.spec_from_file_location(name, path, loader=OnceReadLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _see_beside(path)
    forget(path)
    try:
        _check_beside(path)
        spec.loader.exec_module(module)
    except RequestError as error:
        raise RequestError(f"--plugin {path}: {error}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever somebody's file does
        line = max(
            (f.lineno or 0 for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)), default=0
        )
        where = f", line {line}" if line else ""
        raise RequestError(f"--plugin {path}{where}: cannot be imported: {type(error).__name__}: {error}") from None
    return fingerprint(with_imported({"": path}))


def _see_beside(path: Path) -> None:
    """Let a plug-in import what lies beside it; what is installed comes first."""
    read_once()
    importlib.invalidate_caches()
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))


def _check_beside(path: Path) -> None:
    """What a plug-in imports by the name of something beside it is that, and no namesake."""
    for name in sorted({name.partition(".")[0] for name in imported(source(path))}):
        beside = [file for file in (path.parent / f"{name}.py", path.parent / name / "__init__.py") if file.is_file()]
        meant = [file.resolve() for file in files_of(name).values()]
        if beside and beside[0].resolve() not in meant:
            raise RequestError(f"'import {name}' takes {meant[0]}, not {beside[0].name} beside it; rename that one")
