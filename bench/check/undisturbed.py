"""A sweep in processes of its own, and what it leaves: the measure of every disturbed one."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records.record import FILE, Record
from registries import RequestError

WORKERS = 2
CHECKPOINTS: Mapping[str, str] = {"PUNBENCH_CHECKPOINT_SECONDS": "0.3"}
"""Environment of a disturbed sweep: there is always something to continue."""


@dataclass(frozen=True)
class Undisturbed:
    """A sweep that nothing disturbed.

    Attributes
    ----------
    track : str
    out : Path
    seconds : float
        That it took.
    records : mapping of str to dict
        Canonical records by the name of their folder.
    """

    track: str
    out: Path
    seconds: float
    records: Mapping[str, dict[str, Any]]

    def differing(self, out: Path) -> list[str]:
        """Trials whose canonical records differ in another folder, or that one of the two lacks."""
        others = canonical_records(out)
        names = sorted(self.records.keys() | others.keys())
        return [name for name in names if self.records.get(name) != others.get(name)]


def undisturbed(track: str, out: Path) -> Undisturbed:
    """Sweep a track into an empty folder.

    Raises
    ------
    RequestError
        If the sweep fails.
    """
    begun = time.monotonic()
    finish(track, out)
    return Undisturbed(track, out, time.monotonic() - begun, canonical_records(out))


def command(track: str, out: Path) -> list[str]:
    """The command line of a sweep."""
    bench = [sys.executable, "-m", "bench", "sweep", track, "--device", "cpu"]
    return [*bench, "--workers", str(WORKERS), "--out", str(out), "--quiet"]


def start(track: str, out: Path, environment: Mapping[str, str] = CHECKPOINTS) -> subprocess.Popen[str]:
    """Begin a sweep, the first of a group of processes."""
    return subprocess.Popen(
        command(track, out),
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(track: str, out: Path) -> str:
    """Sweep to the end.

    Returns
    -------
    str
        What was said.

    Raises
    ------
    RequestError
        If the sweep fails.
    """
    done = subprocess.run(command(track, out), capture_output=True, text=True)
    if done.returncode != 0:
        raise RequestError(f"the sweep of {track} fails: {' '.join((done.stderr or done.stdout).split())}")
    return done.stdout + done.stderr


def canonical_records(out: Path) -> dict[str, dict[str, Any]]:
    """Canonical records of a folder by the names of theirs."""
    return {path.parent.name: Record.read(path).canonical() for path in out.glob(f"*/{FILE}")}
