"""Plug-ins: files of a user's own that register entries of any kind."""

from collections.abc import Iterable
from pathlib import Path

from architectures import architectures
from bench.evaluation.metrics import metrics
from bench.machine.process import MeddlingError, kept_process
from datasets.shifts import shifts
from datasets.splits import splits
from pruners import pruners
from registries import RequestError, load_plugin

CATALOGUES = (architectures, pruners, shifts, splits, metrics)


def load_plugins(files: Iterable[str | Path]) -> dict[str, str]:
    """Register the entries of files, after the built-in ones, so that none of these can be shadowed.

    Returns
    -------
    dict of str to str
        By absolute path the SHA-256 of the file and of what it imports, as they were run.

    Raises
    ------
    RequestError
        Naming the file that is absent, cannot be imported, or registers a name that is taken.
    """
    loaded = {}
    for file in files:
        for catalogue in CATALOGUES:
            catalogue.names()
        try:
            with kept_process("importing it"):
                loaded[str(Path(file).absolute())] = load_plugin(Path(file))
        except MeddlingError as error:
            raise RequestError(f"--plugin {file}: {error}") from None
    return loaded
