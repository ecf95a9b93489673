"""Entries from a file of a user's own."""

import importlib.util
import sys
import traceback
from pathlib import Path

from registries.errors import RequestError


def load_plugin(path: Path) -> None:
    """Run a Python file, whose decorators register its entries.

    Raises
    ------
    RequestError
        If there is no such file, it cannot be imported, or it registers a name that is taken.
    """
    path = path.expanduser().resolve()
    if not path.is_file():
        raise RequestError(f"--plugin {path}: no such file")
    name = f"plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RequestError(f"--plugin {path}: is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except RequestError as error:
        raise RequestError(f"--plugin {path}: {error}") from None
    except (Exception, SystemExit) as error:  # whatever somebody's file does
        line = max(
            (f.lineno or 0 for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)), default=0
        )
        where = f", line {line}" if line else ""
        raise RequestError(f"--plugin {path}{where}: cannot be imported: {type(error).__name__}: {error}") from None
