"""Does a sweep that is killed again and again end where an undisturbed one ends?"""

import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.check.undisturbed import WORKERS, Undisturbed, finish, start
from bench.store.maintenance import stage_folders
from bench.store.store import JOURNAL
from registries import RequestError

SOONEST, LATEST = 3.0, 9.0
"""Seconds from one kill to the next: a driver needs the first few to begin."""
SHARES = {"everything": 0.4, "driver": 0.3, "worker": 0.3}
"""Whom kills hit: the driver with its workers, the driver alone, one worker alone."""
WHOM = {"everything": "driver and workers", "driver": "the driver alone", "worker": "a worker alone"}


@dataclass(frozen=True)
class KilledSweep:
    """A killed sweep beside an undisturbed one.

    Attributes
    ----------
    stages : int
        Of the undisturbed sweep, by distinct keys.
    kills : mapping of str to int
        By whom they hit.
    begun : int
        Stages begun in the killed sweep, including continued ones.
    continued : int
        Stages continued from a checkpoint.
    different : tuple of str
        Trials whose canonical records differ, or that one of them lacks; stages that one of them lacks.
    twice : tuple of str
        Stages that were begun once more although no kill had interrupted them.
    """

    stages: int
    kills: Mapping[str, int]
    begun: int
    continued: int
    different: tuple[str, ...]
    twice: tuple[str, ...]

    @property
    def again(self) -> int:
        """Stages begun once more after an interruption."""
        return self.begun - self.stages

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, nothing done twice, and no more begun again than kills can interrupt."""
        lost = WORKERS * (self.kills["everything"] + self.kills["driver"]) + self.kills["worker"]
        return not self.different and not self.twice and self.again <= lost


def killed_sweeps(whole: Undisturbed, kills: int, folder: Path, seed: int) -> Iterator[KilledSweep]:
    """Sweep again with SIGKILL at random moments, from the beginning once a sweep has ended, until all kills are spent.

    Parameters
    ----------
    whole : Undisturbed
        Should take a minute or so.
    kills : int
    folder : Path
        For the outputs.
    seed : int
        Of the moments and of whom they hit.

    Raises
    ------
    RequestError
        If a sweep fails, or ends before it is killed at all.
    """
    draw = random.Random(seed)
    bar: tqdm[Any]
    with tqdm(total=kills, desc="kills", unit="kill", leave=False) as bar:
        while (left := kills - int(bar.n)) > 0:
            out = Path(tempfile.mkdtemp(dir=folder))
            hits = _disturb(whole.track, out, left, draw, bar)
            if not hits:
                raise RequestError(f"the sweep of {whole.track} ends before it is killed: use a longer track")
            finish(whole.track, out)
            yield _compared(whole, out, hits)


def kill_lines(sweeps: list[KilledSweep]) -> Iterator[str]:
    """What kills did, in words."""
    if not sweeps:
        return
    hits = Counter[str]()
    for sweep in sweeps:
        hits.update(sweep.kills)
    sums = ", ".join(f"{hits[whom]} × {words}" for whom, words in WHOM.items())
    yield f"SIGKILL in {len(sweeps)} sweeps: {sums}"
    yield f"  stages begun once more after an interruption: {sum(sweep.again for sweep in sweeps)}"
    yield f"  continued from a checkpoint in the middle: {sum(sweep.continued for sweep in sweeps)}"
    yield f"  stages begun again after they were done: {sum(len(sweep.twice) for sweep in sweeps)}"
    different = [name for sweep in sweeps for name in sweep.different]
    yield f"  canonical records that differ from the undisturbed sweep: {len(different)}"
    yield from (f"    {name}" for name in different)


def _compared(whole: Undisturbed, out: Path, hits: list[str]) -> KilledSweep:
    distinct, stages = ({path.name for path in stage_folders(place / ".store")} for place in (whole.out, out))
    events = _events(out / ".store" / JOURNAL)
    return KilledSweep(
        stages=len(distinct),
        kills={whom: hits.count(whom) for whom in SHARES},
        begun=sum(event == "begun" for history in events.values() for event in history),
        continued=sum(path.read_text(encoding="utf-8").count("continues from step") for path in out.glob("*/log.txt")),
        different=(*whole.differing(out), *sorted(distinct ^ stages)),
        twice=tuple(key for key, history in events.items() if "begun" in history[history.index("done") :]),
    )


def _disturb(track: str, out: Path, kills: int, draw: random.Random, bar: "tqdm[Any]") -> list[str]:
    """Whom the kills hit, until there are enough or the sweep ends before."""
    hits: list[str] = []
    driver: subprocess.Popen[str] | None = None
    try:
        while len(hits) < kills:
            driver = driver or start(track, out)
            time.sleep(draw.uniform(SOONEST, LATEST))
            if driver.poll() is not None:
                break
            (whom,) = draw.choices(list(SHARES), list(SHARES.values()))
            if whom == "worker":
                workers = _workers(driver.pid)
                if workers:
                    with suppress(ProcessLookupError):
                        os.kill(draw.choice(workers), signal.SIGKILL)
                        hits.append(whom)
                        bar.update()
                continue
            kill(driver, whole=whom == "everything")
            driver = None
            hits.append(whom)
            bar.update()
    finally:
        if driver is not None:
            kill(driver)
    return hits


def kill(driver: subprocess.Popen[str], whole: bool = True) -> None:
    """SIGKILL a sweep, with its workers or the driver alone."""
    with suppress(ProcessLookupError):
        if whole:
            os.killpg(driver.pid, signal.SIGKILL)
        else:
            driver.kill()
    driver.wait()
    if driver.stderr is not None:
        driver.stderr.close()


def _workers(driver: int) -> list[int]:
    """Worker processes of a driver; none where the system does not tell."""
    listed = Path(f"/proc/{driver}/task/{driver}/children")
    children = [int(word) for word in listed.read_text(encoding="utf-8").split()] if listed.exists() else []
    return [pid for pid in children if b"spawn_main" in _command_line(pid)]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _events(journal: Path) -> dict[str, list[str]]:
    """What happened to each stage, in order; one that lies in the store is done, whatever was still written of it."""
    events: dict[str, list[str]] = defaultdict(list)
    for line in journal.read_text(encoding="utf-8").splitlines():
        event, key, _ = line.split()
        events[key].append(event)
    for history in events.values():
        if "done" not in history:
            history.append("done")
    return events
