"""From the blocks of a track to requests, in the order in which they are carried out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

from architectures import architectures
from bench.tracks.parsing import BOUNDS
from bench.tracks.track import SUFFIX, Grid, Track
from bench.trials.controls import OF_DENSE
from bench.trials.request import Request, resolve
from datasets.splits.training import parse_training_set
from pruners import pruners
from pruners.controls import OF_MASK
from records.row_name import TIMINGS, RowName, parse_sparsity
from records.trial import ACCELERATIONS, NO_CONTROL
from registries import RequestError

CONTROLS = (NO_CONTROL, *OF_MASK, *OF_DENSE)


@dataclass(frozen=True)
class SweepOptions:
    """What all trials of a sweep share; see `Request`.

    Attributes
    ----------
    track : str
        Name or path, as the user typed it.
    """

    track: str
    data: str | None = None
    annotations: str | None = None
    device: str = "auto"
    out: str = "results"
    loader_workers: int | None = None

    def absolute(self) -> "SweepOptions":
        """The same for processes that work in another folder."""
        paths = {name: getattr(self, name) for name in ("data", "annotations", "out")}
        if self.track.endswith(SUFFIX):
            paths["track"] = self.track
        changed: dict[str, Any] = {n: str(Path(path).absolute()) for n, path in paths.items() if path is not None}
        return replace(self, **changed)


def expand(
    track: Track, options: SweepOptions, only: Iterable[str] = (), priority: int | None = None
) -> tuple[Request, ...]:
    """All trials, by priority and seed; one that several blocks name stands at its first place.

    Parameters
    ----------
    track : Track
    options : SweepOptions
    only : iterable of str
        Shell patterns of row names, or of their beginnings up to a ``/``, ``+`` or ``@``.
    priority : int, optional
        Only blocks up to this one.

    Raises
    ------
    RequestError
        If the track has no grid, or nothing is left of it.
    """
    if not track.grid:
        raise RequestError(f"track '{track.name}' has no grid to sweep: add [[grid]] to its file")
    for block in track.grid:
        _check(block, track)
    patterns = tuple(only)
    found: dict[Request, Request] = {}
    cells = set()
    blocks = sorted(track.grid, key=lambda block: block.priority)
    turns = sorted(((block.priority, seed, place) for place, block in enumerate(blocks) for seed in range(block.seeds)))
    for of_block, seed, place in turns:
        block = blocks[place]
        for request in _combinations(track, block, seed, options):
            cells.add((row_of(request), request.train_on, request.acceleration))
            if priority is not None and of_block > priority:
                continue
            if not patterns or any(matches(row_of(request), pattern) for pattern in patterns):
                shifts = track.evaluation.shifts if block.shifts else ()
                known = found.get(request, replace(request, shifts=()))
                found[request] = replace(request, shifts=known.shifts or shifts)
    for contrast in track.contrasts:
        for row in (contrast.a, contrast.b):
            if (row, contrast.train_on, contrast.acceleration) not in cells:
                where = f"trained on {contrast.train_on}, {contrast.acceleration}×"
                raise RequestError(f"track '{track.name}': the contrast's row '{row}', {where}, is not in its grid")
    if not found:
        asked = ["--only", *patterns] if patterns else []
        asked += [] if priority is None else [f"--priority {priority}"]
        raise RequestError(f"{' '.join(asked)}: matches no row of track '{track.name}'")
    return tuple(found.values())


def _check(block: Grid, track: Track) -> None:
    """Every name of a block exists, so that a slip of the pen is no skipped row."""
    for arch in block.architectures:
        entry = architectures.get(arch)
        for size in block.sizes or (track.name,):
            entry.arguments(size)
    for pruner in block.pruners:
        pruners.get(pruner)
    for training_set in block.train_on:
        parse_training_set(training_set)
    where = f"track '{track.name}', grid"
    for acceleration in block.accelerations:
        ACCELERATIONS.check(acceleration, f"{where}, accelerations")
    for steps in block.steps:
        BOUNDS["steps"].check(steps, f"{where}, steps")
    for setting in block.settings:
        if "=" not in setting or "," in setting:
            raise RequestError(f"{where}: setting '{setting}': write NAME=VALUE, without a comma")
        if block.steps and setting.startswith("train.steps="):
            raise RequestError(f"{where}: setting '{setting}' stands beside steps; use one of them")
    for what, names, known in (
        ("timing", block.timings, TIMINGS),
        ("control", [c.partition("-")[0] if c.startswith("small") else c for c in block.controls], CONTROLS),
    ):
        for name in names:
            if name not in known:
                raise RequestError(f"track '{track.name}', grid: unknown {what} '{name}'; there are {', '.join(known)}")


def row_of(request: Request) -> RowName:
    """The row name of a request, whether or not there is such a row."""
    settings = dict(setting.split("=", 1) for setting in request.settings)
    return RowName.of(request.arch, request.pruner, request.timing, request.sparsity or "0", request.control, settings)


def matches(row: RowName, pattern: str) -> bool:
    """Whether a pattern names a row or its beginning."""
    return fnmatchcase(row, pattern) or fnmatchcase(row, f"{pattern}[/+@]*")


def _combinations(track: Track, block: Grid, seed: int, options: SweepOptions) -> Iterator[Request]:
    axes = (block.architectures, block.sizes or (track.name,), block.train_on, block.accelerations, block.steps or (0,))
    for arch, size, train_on, acceleration, steps in product(*axes):
        usual = steps in (0, track.training_of(arch).steps)
        base = Request(
            arch=arch,
            pruner="",
            size=size,
            track=options.track,
            data=options.data,
            annotations=options.annotations,
            train_on=train_on,
            acceleration=acceleration,
            seed=seed,
            settings=tuple(sorted([*block.settings, *([] if usual else [f"train.steps={steps}"])])),
            device=options.device,
            out=options.out,
            loader_workers=options.loader_workers,
        )
        for request in _rows(block, base):
            _check_name(request, track)
            yield request


def _check_name(request: Request, track: Track) -> None:
    """The name of a row with settings is that of its records, so that boards find them."""
    if not request.settings:
        return
    try:
        row = resolve(request).trial.row
    except RequestError:  # skipped later, with this reason
        return
    if row != row_of(request):
        raise RequestError(f"track '{track.name}', grid: write the settings of '{row_of(request)}' as in '{row}'")


def _rows(block: Grid, base: Request) -> Iterator[Request]:
    for pruner in block.pruners:
        own = pruners.get(pruner).timings
        # a pruner without timings has one row; a timing that the block asks for and the pruner lacks is skipped later
        timings: tuple[str | None, ...] = (block.timings or own) if own else (None,)
        sparsities = [parse_sparsity(sparsity) for sparsity in block.sparsities] if own else [None]
        for timing in timings:
            for sparsity in sparsities:
                for control in block.controls:
                    named = None if control == NO_CONTROL else control
                    yield replace(base, pruner=pruner, timing=timing, sparsity=sparsity, control=named)
