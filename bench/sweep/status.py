"""Where a sweep stands, in a small file that other processes read."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from bench.sweep.lock import describe, holder, is_driven
from registries import RequestError
from registries.files import write_json
from registries.reading import read_json

FOLDER = ".sweeps"
OUTCOMES = ("ok", "failed", "skipped", "recorded", "pending")


@dataclass(frozen=True)
class Status:
    """A moment of a sweep.

    Attributes
    ----------
    track : str
    counts : mapping of str to int
        Trials by outcome: ``ok``, ``failed``, ``skipped``, ``recorded`` (done elsewhere), ``pending`` (running, too).
    running : mapping of str to float
        Names of trials under way, with the time each one began (seconds since 1970).
    failed : mapping of str to str
        Names of failed trials, with their reasons.
    seconds_left : float or None
        Expected.
    updated : float
        Seconds since 1970.
    """

    track: str
    counts: Mapping[str, int]
    running: Mapping[str, float]
    failed: Mapping[str, str]
    seconds_left: float | None
    updated: float

    def write(self, out: Path) -> None:
        """Leave it where `read_status` finds it."""
        write_json(_path(out, self.track), asdict(self))


def read_status(out: Path, track: str) -> Status:
    """The last status of a sweep.

    Raises
    ------
    RequestError
        If there is none, or it is damaged.
    """
    path = _path(out, track)
    try:
        return TypeAdapter(Status).validate_python(read_json(path))
    except ValueError:
        raise RequestError(f"{path}: is not a valid status of a sweep; the next sweep writes it anew") from None
    except OSError:
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.json"))) or "none"
        raise RequestError(f"{out}: holds no sweep of track '{track}'; there are {known}") from None


def lines(status: Status, out: Path) -> Iterator[str]:
    """A status in words."""
    store = out / ".store"
    alive = is_driven(store) and holder(store).get("track") == status.track
    total = sum(status.counts.values())
    done = total - status.counts["pending"]
    yield f"track {status.track}: {done} of {total} trials done ({summary(status.counts)})"
    yield f"driver: {describe(holder(store))}, at work" if alive else "driver: none; the same sweep command continues"
    if alive:
        now = time.time()
        for name, begun in status.running.items():
            yield f"running: {name}, for {duration(now - begun)}"
        if status.seconds_left is not None:
            yield f"left: about {duration(status.seconds_left)}"
    for name, reason in status.failed.items():
        yield f"failed: {name}: {reason}"


def summary(counts: Mapping[str, int]) -> str:
    """Counts in words, without zeros."""
    words = {
        "ok": "ok",
        "failed": "failed",
        "skipped": "skipped",
        "recorded": "recorded elsewhere",
        "pending": "pending",
    }
    return ", ".join(f"{counts[name]} {words[name]}" for name in OUTCOMES if counts.get(name))


def duration(seconds: float) -> str:
    """Hours, minutes or seconds."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def _path(out: Path, track: str) -> Path:
    return out / FOLDER / f"{track}.json"
