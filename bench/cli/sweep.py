"""``sweep``: all trials of a track."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import numbers, plugins, tensorboard
from bench.cli.numbers import real, whole
from registries import RequestError
from registries.bounds import Bounds

if TYPE_CHECKING:
    from bench.sweep.cells import Cell
    from bench.sweep.driver import Executor, Sweep

EXECUTORS = ("local", "ray")
SCREEN = 30
"""Rows of the table at the end."""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "sweep",
        help="carry out all trials of a track",
        description="Carry out the grid of a track, each stage once. The same command continues what was interrupted.",
    )
    parser.add_argument("track", metavar="TRACK", help="name of a track, or the path of a .toml file")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="rows that match, e.g. 'modl/*/at-init'")
    parser.add_argument(
        "--priority", type=whole(Bounds(0, 1000)), metavar="N", help="blocks of the grid up to this one (default: all)"
    )
    parser.add_argument("--data", metavar="ROOT", help="folder with fastMRI's knee/ and brain/ (default: simulated)")
    parser.add_argument("--annotations", metavar="DIR", help="fastMRI+ tables (default: ROOT/fastmri_plus)")
    parser.add_argument("--records", metavar="DIR", help="records from elsewhere: what they hold counts as done")
    parser.add_argument("--retry-failed", action="store_true", help="carry out failed trials again")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and how long it takes")
    parser.add_argument("--executor", default="local", choices=EXECUTORS, help="local processes (default) or ray")
    parser.add_argument(
        "--workers", type=whole(Bounds(1, 1024)), metavar="N", help="trials at once (default: as many as fit)"
    )
    parser.add_argument("--address", metavar="A", help="of a Ray cluster (default: one on this machine)")
    parser.add_argument("--gpus", type=real(Bounds(0, 1024)), metavar="F", help="GPUs of each trial on Ray, e.g. 0.25")
    plugins.add_option(parser)
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda")
    numbers.add_loader_workers(parser)
    parser.add_argument("--out", default="results", metavar="DIR", help="where outputs go (default results)")
    tensorboard.add_option(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress, only results")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    if chosen.quiet:
        os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is imported
    _check(chosen)
    from tqdm import tqdm

    from bench.machine import signals
    from bench.sweep.cells import plan_cells
    from bench.sweep.driver import Sweep, closing_line
    from bench.sweep.finished import Finished
    from bench.sweep.grid import SweepOptions, expand
    from bench.sweep.lock import only_driver
    from bench.tracks.track import find_track
    from bench.trials.data import open_data
    from bench.trials.plan import choose_device
    from bench.trials.report import edited_sources

    export = tensorboard.exporter(chosen)
    loaded = plugins.load(chosen)
    track = find_track(chosen.track)
    data = open_data(track, chosen.data, chosen.annotations)  # what is wrong with it is no fault of single trials
    for remark in data.remarks:
        print(f"bench: {remark}", file=sys.stderr)
    named = None if data.root.origin == "embedded" else chosen.data
    device = choose_device(chosen.device).type  # the same for all workers
    given = chosen.track, named, chosen.annotations, device, chosen.out, chosen.loader_workers
    options = SweepOptions(*given).absolute()
    requests = expand(track, options, chosen.only, chosen.priority)
    cells = plan_cells(tqdm(requests, desc="planning", unit="trial", leave=False), data)
    finished = Finished(_records(chosen.records))
    out = Path(chosen.out)
    sweep = Sweep(track, cells, out, loaded)
    if chosen.dry_run:
        sweep.inventory(finished, chosen.retry_failed)
        print("\n".join(_dry_run(sweep, chosen.workers)))
        return 0
    with only_driver(out / ".store", track.name):
        sweep.inventory(finished, chosen.retry_failed)
        sweep.record_skipped()
        if not chosen.quiet:
            print("\n".join([*edited_sources(), *_skipped(cells)]))
        done = True
        if "pending" in sweep.outcomes:
            executor = _executor(chosen, sweep)  # Ray sets signal handlers of its own
            signals.listen()
            done = sweep.run(executor)
    ended = [cell.folder for cell, outcome in zip(cells, sweep.outcomes, strict=True) if outcome == "ok"]
    for line in (line for folder in ended for line in export(folder)):
        print(line)
    if done:
        print("\n".join(_table(sweep)))
    print(closing_line(sweep, done))
    for number, reason in sweep.reasons.items():
        print(f"failed: {cells[number].name}: {reason}")
    return 130 if not done else 1 if sweep.reasons else 0


def _check(chosen: argparse.Namespace) -> None:
    if chosen.executor != "ray" and (chosen.address or chosen.gpus is not None):
        raise RequestError("--address and --gpus are for --executor ray")
    if chosen.gpus is not None and not (0 <= chosen.gpus <= 1 or chosen.gpus == int(chosen.gpus) > 0):
        raise RequestError(f"--gpus {chosen.gpus}: a fraction of one GPU, or a whole number")


def _executor(chosen: argparse.Namespace, sweep: "Sweep") -> "Executor":
    from bench.sweep.local import LocalExecutor
    from bench.sweep.needs import ENDED, measure
    from bench.sweep.placement import place
    from bench.trials.plan import choose_device

    threads, device = sweep.track.threads, choose_device(chosen.device)
    if chosen.executor == "ray":
        from bench.sweep.cluster import RayExecutor

        needs = None if chosen.workers else measure(sweep.pending, sweep.plugins)
        memory = needs.host if needs and needs != ENDED else 0
        return RayExecutor(chosen.address, threads, device, chosen.gpus, chosen.workers, memory)
    found = place(sweep.pending, device, threads, sweep.plugins, chosen.workers)
    if found.remark and not chosen.quiet:
        print(found.remark)
    return LocalExecutor(found.slots, threads)


def _records(folder: str | None) -> "list[Any]":
    if folder is None:
        return []
    from leaderboards.rows.rows import read_records

    return list(read_records(Path(folder)))


def _table(sweep: "Sweep") -> Iterator[str]:
    """The first rows of the grid, with what they came to; records of other rows are not read."""
    from leaderboards.rows.grid_table import RowKey, grid_tables, rows_in_order
    from records.record import FILE, Record
    from registries.text import aligned, plural

    rows = rows_in_order([cell.key for cell in sweep.cells], sweep.outcomes)
    shown = list(rows)[:SCREEN]
    finished: dict[RowKey, list[Path]] = {}
    for cell, outcome in zip(sweep.cells, sweep.outcomes, strict=True):
        if outcome == "ok":
            finished.setdefault(RowKey.of(cell.key), []).append(cell.folder / FILE)
    wanted = dict.fromkeys([*shown, *(key.dense for key in shown if key.dense in rows)])
    whole = {key: rows[key].with_records(map(Record.read, finished.get(key, []))) for key in wanted}
    for table in grid_tables([whole[key] for key in shown], whole):
        yield from (table.title, *aligned(table.cells), *table.remarks, "")
    if len(rows) > SCREEN:
        has_dense = any(key == key.dense for key in finished)
        words = ["compare", str(sweep.out), "--against", "dense"] if has_dense else ["show", str(sweep.out)]
        yield f"{plural(len(rows) - SCREEN, 'more row')}: {shlex.join(['python', '-m', 'bench', *words])}"


def _skipped(cells: "Sequence[Cell]") -> Iterator[str]:
    """Rows that do not exist, once for all seeds."""
    from bench.sweep.grid import row_of

    reasons = {(row_of(cell.request), str(cell.reason)): None for cell in cells if cell.planned is None}
    yield from (f"skipped: {row}: {reason}" for row, reason in reasons)


def _dry_run(sweep: "Sweep", workers: int | None) -> Iterator[str]:
    """What a sweep would do."""
    from tqdm import tqdm

    from bench.sweep.forecast import forecast
    from bench.sweep.needs import measure
    from bench.sweep.placement import place
    from bench.sweep.sharing import share
    from bench.sweep.status import duration, summary
    from bench.trials.report import edited_sources
    from registries.text import plural

    yield from edited_sources()
    yield from _skipped(sweep.cells)
    yield f"track {sweep.track.name}: {plural(len(sweep.cells), 'trial')}: {summary(sweep.counts())}"
    left = [cell.planned for cell in sweep.pending if cell.planned]
    if not left:
        return
    shared = share(left)
    found = forecast(left, shared, tqdm(left, desc="timing", unit="trial", leave=False))
    saved = 1 - found.shared / found.naive
    yield f"stages: {shared.stages} of the pending trials, {len(shared.distinct)} when each is computed once"
    yield f"cost in dense trainings: {found.naive:.1f}, shared {found.shared:.1f}: {100 * saved:.0f} % saved"
    device, threads = left[0].workspace.device.type, sweep.track.threads
    hours = f" ({found.seconds / 3600:.1f} GPU-hours)" if device == "cuda" else ""
    yield f"time on this {device}: about {duration(found.seconds)} of one worker{hours}"
    placed = place(sweep.pending, left[0].workspace.device, threads, sweep.plugins, workers)
    slots = len(placed.slots)
    if device == "cuda":
        yield f"{plural(slots, 'worker')} side by side; `speed packing` measures what that brings"
    else:
        yield f"with {plural(slots, 'worker')}: about {duration(found.seconds / slots)}"
    if placed.remark:
        yield placed.remark
    yield f"memory of a trial: {(placed.needs or measure(sweep.pending, sweep.plugins)).words()}"
    yield f"disk: about {found.gigabytes:.1f} GiB; read from the data: about {found.read:.1f} GiB"
