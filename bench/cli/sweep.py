"""``sweep``: all trials of a track."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import plugins
from registries import RequestError

if TYPE_CHECKING:
    from bench.sweep.cells import Cell
    from bench.sweep.driver import Executor
    from bench.track import Track

EXECUTORS = ("local", "ray")


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "sweep",
        help="carry out all trials of a track",
        description="Carry out the grid of a track, each stage once. The same command continues what was interrupted.",
    )
    parser.add_argument("track", metavar="TRACK", help="name of a track, or the path of a .toml file")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="rows that match, e.g. 'modl/*/at-init'")
    parser.add_argument("--data", metavar="ROOT", help="folder with fastMRI's knee/ and brain/ (default: simulated)")
    parser.add_argument("--annotations", metavar="DIR", help="fastMRI+ tables (default: ROOT/fastmri_plus)")
    parser.add_argument("--records", metavar="DIR", help="records from elsewhere: what they hold counts as done")
    parser.add_argument("--retry-failed", action="store_true", help="carry out failed trials again")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and how long it takes")
    parser.add_argument("--executor", default="local", choices=EXECUTORS, help="local processes (default) or ray")
    parser.add_argument("--workers", type=int, metavar="N", help="trials at once (default: as many as fit)")
    parser.add_argument("--address", metavar="A", help="of a Ray cluster (default: one on this machine)")
    parser.add_argument("--gpus", type=float, metavar="F", help="GPUs of each trial on Ray, e.g. 0.25")
    plugins.add_option(parser)
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda")
    parser.add_argument("--out", default="results", metavar="DIR", help="where outputs go (default results)")
    parser.add_argument("--quiet", action="store_true", help="no progress, only results")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    if chosen.quiet:
        os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is imported
    if chosen.workers is not None and chosen.workers < 1:
        raise RequestError(f"--workers {chosen.workers}: at least 1")
    from tqdm import tqdm

    from bench import interruption
    from bench.planning import data_root
    from bench.sweep.cells import plan_cells
    from bench.sweep.driver import Sweep, closing_line
    from bench.sweep.finished import Finished
    from bench.sweep.grid import Surroundings, expand
    from bench.sweep.lock import only_driver
    from bench.track import find_track

    plugins.load(chosen)
    track = find_track(chosen.track)
    surroundings = Surroundings(chosen.track, chosen.data, chosen.annotations, chosen.device, chosen.out).absolute()
    requests = expand(track, surroundings, chosen.only)
    data_root(track, chosen.data, chosen.annotations)  # missing data are the sweep's fault, not that of its cells
    cells = plan_cells(requests, tqdm(requests, desc="planning", unit="trial", leave=False))
    finished = Finished(_records(chosen.records))
    if chosen.dry_run:
        print("\n".join(_dry_run(track, cells, finished, chosen)))
        return 0
    out = Path(chosen.out)
    with only_driver(out / ".store", track.name):
        sweep = Sweep(track, cells, out, tuple([str(Path(chosen.plugin).absolute())] if chosen.plugin else []))
        sweep.take_stock(finished, chosen.retry_failed)
        if not chosen.quiet:
            print("\n".join(_skipped(cells)))
        interruption.listen()
        done = sweep.run(_executor(chosen, track, cells)) if "pending" in sweep.outcomes else True
    print(closing_line(sweep, done))
    for number, reason in sweep.reasons.items():
        print(f"failed: {cells[number].name}: {reason}")
    return 130 if not done else 1 if sweep.reasons else 0


def _executor(chosen: argparse.Namespace, track: "Track", cells: "list[Cell]") -> "Executor":
    from bench.planning import choose_device
    from bench.sweep.packing import gpu_slots

    if chosen.executor == "ray":
        from bench.sweep.cluster import RayExecutor

        return RayExecutor(chosen.address, track.threads, choose_device(chosen.device), chosen.gpus, chosen.workers)
    from bench.sweep.local import LocalExecutor

    if choose_device(chosen.device).type == "cuda":
        return LocalExecutor(gpu_slots(cells, chosen.workers), track.threads)
    workers = chosen.workers or max(1, (os.cpu_count() or 1) // track.threads)
    return LocalExecutor([None] * workers, track.threads)


def _records(folder: str | None) -> "list[Any]":
    if folder is None:
        return []
    from leaderboards.results import read_records

    return list(read_records(Path(folder)))


def _skipped(cells: "list[Cell]") -> Iterator[str]:
    """Rows that do not exist, once for all seeds."""
    from bench.sweep.grid import row_of

    reasons = {(row_of(cell.request), str(cell.reason)): None for cell in cells if cell.planned is None}
    yield from (f"skipped: {row}: {reason}" for row, reason in reasons)


def _dry_run(track: "Track", cells: "list[Cell]", finished: Any, chosen: argparse.Namespace) -> Iterator[str]:
    """What a sweep would do."""
    from tqdm import tqdm

    from bench.report import plural
    from bench.running import answer_from_store
    from bench.sweep.cells import planned_of
    from bench.sweep.forecast import forecast
    from bench.sweep.sharing import share
    from bench.sweep.status import duration

    everything = list(planned_of(cells))
    left = [p for p in everything if not finished.holds(p) and answer_from_store(p) is None]
    yield from _skipped(cells)
    skipped = len(cells) - len(everything)
    yield (
        f"track {track.name}: {plural(len(cells), 'trial')}, {skipped} skipped, "
        f"{len(everything) - len(left)} done, {len(left)} to do"
    )
    if not left:
        return
    shared = share(left)
    found = forecast(left, shared, tqdm(left, desc="timing", unit="trial", leave=False))
    saved = 1 - found.shared / found.naive
    yield f"stages: {shared.stages} of all trials, {len(shared.distinct)} when each is computed once"
    yield f"cost in dense trainings: {found.naive:.1f}, shared {found.shared:.1f}: {100 * saved:.0f} % saved"
    workers = chosen.workers or max(1, (os.cpu_count() or 1) // track.threads)
    device = left[0].workspace.device.type
    yield f"time on this {device}: about {duration(found.seconds)} of one worker"
    if device == "cpu":
        yield f"with {plural(workers, 'worker')}: about {duration(found.seconds / workers)}"
    yield f"disk: about {found.gigabytes:.1f} GiB"
