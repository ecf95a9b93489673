"""Does a sweep that is killed again and again end where an undisturbed one ends?"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.store.maintenance import stage_folders
from bench.store.store import JOURNAL
from records.record import FILE, Record
from registries import RequestError

SOONEST, LATEST = 3.0, 9.0
"""Seconds from one kill to the next: a driver needs the first few to begin."""
SHARES = {"everything": 0.4, "driver": 0.3, "worker": 0.3}
"""Whom kills hit: the driver with its workers, the driver alone, one worker alone."""
CHECKPOINT_SECONDS = "0.3"
WORKERS = 2


@dataclass(frozen=True)
class Comparison:
    """A killed sweep beside an undisturbed one.

    Attributes
    ----------
    trials, stages : int
        Of the undisturbed sweep; stages by distinct keys.
    kills : mapping of str to int
        By whom they hit.
    begun : int
        Stages begun in the killed sweep, continued ones too.
    continued : int
        Stages continued from a checkpoint.
    different : tuple of str
        Trials whose canonical records differ, or that one of them lacks.
    twice : tuple of str
        Stages that were begun once more although no kill had interrupted them.
    """

    trials: int
    stages: int
    kills: Mapping[str, int]
    begun: int
    continued: int
    different: tuple[str, ...]
    twice: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, nothing done twice, and no more begun again than kills can interrupt."""
        lost = WORKERS * (self.kills["everything"] + self.kills["driver"]) + self.kills["worker"]
        return not self.different and not self.twice and self.begun - self.stages <= lost


def compare_killed(track: str, kills: int, folder: Path, seed: int) -> Comparison:
    """Sweep undisturbed, then sweep again with SIGKILL at random moments, and compare.

    Parameters
    ----------
    track : str
        Should take a minute or so.
    kills : int
    folder : Path
        For the outputs of both.
    seed : int
        Of the moments and of whom they hit.

    Raises
    ------
    RequestError
        If a sweep fails, or ends before it was killed often enough.
    """
    whole, killed = folder / "whole", folder / "killed"
    _finish(track, whole)
    hits = _disturb(track, killed, kills, random.Random(seed))
    _finish(track, killed)
    records = [
        {path.parent.name: Record.read(path).canonical() for path in out.glob(f"*/{FILE}")} for out in (whole, killed)
    ]
    names = sorted(records[0].keys() | records[1].keys())
    distinct = {path.name for path in stage_folders(whole / ".store")}
    found = {path.name for path in stage_folders(killed / ".store")}
    events = _events(killed / ".store" / JOURNAL)
    return Comparison(
        trials=len(records[0]),
        stages=len(distinct),
        kills={whom: hits.count(whom) for whom in SHARES},
        begun=sum(event == "begun" for history in events.values() for event in history),
        continued=sum(path.read_text().count("continues from step") for path in killed.glob("*/log.txt")),
        different=(*(n for n in names if records[0].get(n) != records[1].get(n)), *sorted(distinct ^ found)),
        twice=tuple(key for key, history in events.items() if "begun" in history[history.index("done") :]),
    )


def lines(found: Comparison) -> Iterator[str]:
    """The comparison in words."""
    yield f"{found.trials} trials, {found.stages} distinct stages"
    yield "SIGKILL: " + ", ".join(f"{number} × {WHOM[whom]}" for whom, number in found.kills.items())
    yield f"stages begun: {found.begun}, of these {found.begun - found.stages} once more after an interruption"
    yield f"continued from a checkpoint in the middle: {found.continued}"
    yield f"stages begun again after they were done: {len(found.twice)}"
    yield f"canonical records that differ from the undisturbed sweep: {len(found.different)}"
    yield from (f"  {name}" for name in found.different)


WHOM = {"everything": "driver and workers", "driver": "the driver alone", "worker": "a worker alone"}


def _command(track: str, out: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "bench",
        "sweep",
        track,
        "--device",
        "cpu",
        "--workers",
        str(WORKERS),
        "--out",
        str(out),
        "--quiet",
    ]


def _finish(track: str, out: Path) -> None:
    done = subprocess.run(_command(track, out), capture_output=True, text=True)
    if done.returncode != 0:
        raise RequestError(f"the sweep of {track} fails: {' '.join((done.stderr or done.stdout).split())}")


def _disturb(track: str, out: Path, kills: int, draw: random.Random) -> list[str]:
    """Whom the kills hit."""
    hits: list[str] = []
    driver: subprocess.Popen[bytes] | None = None
    try:
        while len(hits) < kills:
            if driver is None:
                environment = {**os.environ, "PUNBENCH_CHECKPOINT_SECONDS": CHECKPOINT_SECONDS}
                driver = subprocess.Popen(
                    _command(track, out),
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            time.sleep(draw.uniform(SOONEST, LATEST))
            if driver.poll() is not None:
                raise RequestError(f"the sweep of {track} ended after {len(hits)} kills: use a longer track")
            (whom,) = draw.choices(list(SHARES), list(SHARES.values()))
            if whom == "worker":
                workers = _workers(driver.pid)
                if workers:
                    with suppress(ProcessLookupError):
                        os.kill(draw.choice(workers), signal.SIGKILL)
                        hits.append(whom)
                continue
            if whom == "driver":
                driver.kill()
            else:
                os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()
            driver = None
            hits.append(whom)
    finally:
        if driver is not None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()
    return hits


def _workers(driver: int) -> list[int]:
    """Worker processes of a driver; none where the system does not tell."""
    listed = Path(f"/proc/{driver}/task/{driver}/children")
    found = [int(word) for word in listed.read_text().split()] if listed.exists() else []
    return [pid for pid in found if b"spawn_main" in _command_line(pid)]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _events(journal: Path) -> dict[str, list[str]]:
    """What happened to each stage, in order; one that lies in the store is done, whatever was still written of it."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in journal.read_text().splitlines():
        event, key, _ = line.split()
        found[key].append(event)
    for history in found.values():
        if "done" not in history:
            history.append("done")
    return found
