"""Commands that go on from a finished run, ready to be pasted."""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from records.record import Record
from records.row_name import DENSE, PRUNER

if TYPE_CHECKING:
    from bench.trials.plan import PlannedTrial
    from bench.trials.request import Request

PROGRAM = ("python", "-m", "bench")
OF_A_ROW = frozenset({"pruner", "timing", "sparsity", "control", "dense_weights", "fresh", "quiet"})
"""Arguments of ``run`` that the dense reference does without."""
SEED_AND_HASH = re.compile(r"_(seed\d+)_[0-9a-f]{8}$")


def after_run(
    request: "Request", planned: "PlannedTrial", partner: Record | None, plugins: Iterable[str], known: Iterable[str]
) -> Iterator[str]:
    """A line each: what it is compared with, all it left, and its network at work.

    Parameters
    ----------
    request : Request
    planned : PlannedTrial
        What it became.
    partner : Record or None
        The dense reference, where there is one.
    plugins : iterable of str
        Files that were named.
    known : iterable of str
        Commands that there are; others are not offered.
    """
    files = [part for name in plugins for part in ("--plugin", name)]
    if partner is not None:
        yield _command("compare", request.out, *_rows(planned, partner), *files)
    elif request.pruner != DENSE and request.dense_weights is None:
        yield _command(*_dense(request), *files)
    elif request.pruner == DENSE:
        yield _command("list", "pruners", *files)
    yield _command("show", str(planned.folder))
    if "reconstruct" in known:
        first, *_ = next(iter(planned.test.splits.values()))
        yield _command("reconstruct", str(planned.folder), first.path)


def names_of(commands: Iterable[Any]) -> frozenset[str]:
    """Commands by the modules that hold them."""
    return frozenset(command.__name__.rpartition(".")[2] for command in commands)


def _command(*words: str) -> str:
    return shlex.join([*PROGRAM, *words])


def _dense(request: "Request") -> Iterator[str]:
    """The run of the dense reference: everything but what finds the mask."""
    yield from ("run", "--arch", request.arch, "--pruner", DENSE)
    for field in fields(request):
        value = getattr(request, field.name)
        if field.name in ("arch", *OF_A_ROW) or value == field.default:
            continue
        if field.name == "settings":
            yield from (part for text in value if not text.startswith(PRUNER) for part in ("--set", text))
        else:
            yield f"--{field.name.replace('_', '-')}"
            yield from value if isinstance(value, tuple) else (str(value),)


def _rows(planned: "PlannedTrial", partner: Record) -> Iterator[str]:
    """Both rows by name; every row with dense where names alone would not say which records are meant."""
    rows = (planned.resolved.trial.row, partner.row)
    if all(_is_one_row(planned.out, row) for row in rows):
        yield from ("--a", rows[0], "--b", rows[1])
    else:
        yield from ("--against", DENSE)


def _is_one_row(out: Path, row: str) -> bool:
    """Whether all records of a name are of one size, training set and acceleration, each seed once."""
    prefix = f"{row.replace('/', '-')}_"
    settings: dict[str, list[str]] = {}
    for folder in out.iterdir():
        if folder.name.startswith(prefix) and (found := SEED_AND_HASH.search(folder.name)):
            settings.setdefault(folder.name[len(prefix) : found.start()], []).append(found[1])
    return len(settings) == 1 and all(len(set(seeds)) == len(seeds) for seeds in settings.values())
