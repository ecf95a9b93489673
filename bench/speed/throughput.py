"""Trials per minute when several of them run side by side."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from records.record import FILE, Record
from registries import RequestError
from registries.text import aligned


def packing_table(track: str, workers: Sequence[int], device: str) -> Iterator[str]:
    """Sweep a track once for each number of workers, each time from nothing.

    Parameters
    ----------
    track : str
        A short one; its trials need data that are in the cache already, so a first sweep fills it, unmeasured.
    workers : sequence of int
    device : str

    Raises
    ------
    RequestError
        If a sweep fails.
    """
    yield f"track {track} on {device}; start of the processes included"
    rows = [["workers", "", "trials", "trials per minute", "relative"]]
    _sweep(track, workers[0], device, ["--dry-run"])
    first: float | None = None
    for number in tqdm(workers, desc="sweeps", unit="sweep", leave=False):
        trials, seconds = _sweep(track, number, device)
        rate = 60 * trials / seconds
        first = first or rate
        rows.append([str(number), "", str(trials), f"{rate:.1f}", f"{rate / first:.2f}"])
    yield from aligned(rows)


def _sweep(track: str, workers: int, device: str, more: Sequence[str] = ()) -> tuple[int, float]:
    """Number of trials carried out, and seconds."""
    with tempfile.TemporaryDirectory() as out:
        options = ["--device", device, "--workers", str(workers), "--out", out, "--quiet", *more]
        begun = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "bench", "sweep", track, *options], capture_output=True, text=True)
        seconds = time.monotonic() - begun
        if done.returncode != 0:
            raise RequestError(f"the sweep of {track} fails: {' '.join((done.stderr or done.stdout).split())}")
        return sum(Record.read(path).ok for path in Path(out).glob(f"*/{FILE}")), seconds
