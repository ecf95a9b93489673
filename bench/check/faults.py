"""Does a sweep on a machine that fails stop in one line, and go on once the fault is over?"""

import errno
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from bench.check.injection import FAULTS, VARIABLE
from bench.check.kills import kill
from bench.check.undisturbed import CHECKPOINTS, Undisturbed, finish, start
from bench.sweep.lock import holder
from records.record import FILE, Record
from registries import RequestError

GONE = "folder gone"
"""The output folder is moved away in the middle of a sweep."""
OPERATIONS = 120
"""At most so many operations on files go well before the fault."""
BYTES = (2_000, 60_000)
"""Sizes of files from which on a limit hits."""
SECONDS = (0.0, 5.0)
"""From the begin of a sweep to the move of its folder."""
PATIENCE = 300.0
"""Seconds until a sweep whose machine fails should have noticed."""
IN_VAIN = 5
"""How often a sweep may end before a kind of fault."""
CODE = "from bench.check.injection import install\n\ninstall()\n"
REFUSED, ENDED = "stopped in one line", "ended before the fault"


@dataclass
class FaultySweeps:
    """What faults came to.

    Attributes
    ----------
    outcomes : Counter of (str, str)
        Number of faults by their kind and by what the sweep did.
    wrong : list of str
        What must not happen: other exit codes, tracebacks, failed rows, records that differ.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def faulty_sweeps(whole: Undisturbed, faults: int, folder: Path, seed: int) -> FaultySweeps:
    """Sweep again on a machine that fails from a random moment on; the same command has to go on each time.

    Parameters
    ----------
    whole : Undisturbed
    faults : int
        That hit; a sweep that ends before its fault does not count, and the next one begins in an empty folder.
    folder : Path
        For the outputs.
    seed : int
        Of the moments; the kinds follow each other.

    Raises
    ------
    RequestError
        If a sweep fails without a fault, or ends before its faults again and again.
    """
    draw = random.Random(seed)
    sweeps = FaultySweeps()
    kinds = (*FAULTS, GONE)
    out = Path(tempfile.mkdtemp(dir=folder))
    with tqdm(total=faults, desc="faults", unit="fault", leave=False) as bar:
        while bar.n < faults:
            kind = kinds[int(bar.n) % len(kinds)]
            code, said = _gone(whole.track, out, draw) if kind == GONE else _injected(whole.track, out, kind, draw)
            outcome = _outcome(code, said)
            sweeps.outcomes[kind, outcome] += 1
            if outcome == ENDED:
                if sweeps.outcomes[kind, ENDED] > IN_VAIN:
                    raise RequestError(f"the sweep of {whole.track} ends before its faults: use a longer track")
                sweeps.wrong += whole.differing(out)
                out = Path(tempfile.mkdtemp(dir=folder))
                continue
            bar.update()
            if outcome != REFUSED:
                sweeps.wrong.append(f"{kind}: {outcome}: {said.strip()[-300:]}")
            sweeps.wrong += [f"{kind}: {name} became a row: {reason}" for name, reason in _failed(out)]
    finish(whole.track, out)
    sweeps.wrong += whole.differing(out)
    return sweeps


def fault_lines(sweeps: FaultySweeps) -> Iterator[str]:
    """What faults came to, in words."""
    if not sweeps.outcomes:
        return
    hits = sum(number for (_, outcome), number in sweeps.outcomes.items() if outcome != ENDED)
    yield f"faults of the machine: {hits}"
    kinds = dict.fromkeys(kind for kind, _ in sweeps.outcomes)
    for kind in kinds:
        outcomes = [(outcome, n) for (of, outcome), n in sweeps.outcomes.items() if of == kind and outcome != ENDED]
        words = os.strerror(getattr(errno, kind)) if kind in FAULTS else "moved away while a sweep runs"
        yield f"  {kind} ({words}): " + ", ".join(f"{n} × {outcome}" for outcome, n in outcomes)
    yield f"  other ends, failed rows, or canonical records that differ: {len(sweeps.wrong)}"
    yield from (f"    {line}" for line in sweeps.wrong)


def _injected(track: str, out: Path, kind: str, draw: random.Random) -> tuple[int, str]:
    after = draw.randint(*BYTES) if FAULTS[kind] == "size" else draw.randint(1, OPERATIONS)
    with tempfile.TemporaryDirectory() as code:
        (Path(code) / "sitecustomize.py").write_text(CODE, encoding="utf-8")
        path = os.pathsep.join([code, *filter(None, [os.environ.get("PYTHONPATH")])])
        return _ended(start(track, out, {**CHECKPOINTS, "PYTHONPATH": path, VARIABLE: f"{kind}:{after}:{out}"}))


def _gone(track: str, out: Path, draw: random.Random) -> tuple[int, str]:
    """Move the folder away while a driver is at work, and back once the sweep has ended."""
    aside = out.with_name(f"{out.name}-aside")
    sweep = start(track, out)
    while holder(out / ".store").get("pid") != sweep.pid and sweep.poll() is None:
        time.sleep(0.1)
    time.sleep(draw.uniform(*SECONDS))
    out.rename(aside)
    ended = _ended(sweep)
    if out.exists():  # what was still written meanwhile
        shutil.rmtree(out)
    aside.rename(out)
    return ended


def _ended(sweep: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        _, said = sweep.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        kill(sweep)
        return -1, f"does not end within {PATIENCE:.0f} s"
    return sweep.returncode, said


def _outcome(code: int, said: str) -> str:
    if code == 0:
        return ENDED
    last = said.strip().rpartition("\n")[2]
    if code == 2 and "Traceback" not in said and last.startswith("bench: "):
        return REFUSED
    return "traceback" if "Traceback" in said else f"exit code {code}"


def _failed(out: Path) -> list[tuple[str, str | None]]:
    records = (Record.read(path) for path in sorted(out.glob(f"*/{FILE}")))
    return [(str(record.row), record.reason) for record in records if record.status == "failed"]
