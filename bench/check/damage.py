"""Is a damaged store trusted? Every damage has to be noticed, and every record to come out equal."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from bench.check.kills import kill
from bench.check.undisturbed import Undisturbed, finish, start
from bench.store.curve import CURVE
from bench.store.maintenance import CHECKPOINTS, SHARED, VALUES, damaged, stage_folders
from bench.store.reading import STAGE
from bench.store.store import ASIDE
from registries import RequestError

AT_ONCE = 10
"""Files that are damaged before the sweep goes on."""
PATIENCE = 60.0
"""Seconds until a sweep should have begun to train."""
SHARE = 0.5
"""Of the stages that are removed before each time, so that there is something to compute."""
Damage = Callable[[bytes, random.Random], bytes]


def _flipped(content: bytes, draw: random.Random) -> bytes:
    place, bit = draw.randrange(len(content)), 1 << draw.randrange(8)
    return content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]


DAMAGES: Mapping[str, Damage] = {
    "a bit flipped": _flipped,
    "truncated": lambda content, draw: content[: draw.randrange(1, len(content))],
    "emptied": lambda content, draw: b"",
    "a block of zeros": lambda content, draw: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
    "other bytes": lambda content, draw: draw.randbytes(len(content)),
}


@dataclass
class DamagedStores:
    """What damages came to.

    Attributes
    ----------
    damages : Counter of (str, str)
        Number of files by what they are and what was done to them.
    set_aside : int
        Files that the sweep met and set aside; others it had no need of.
    wrong : list of str
        Damages that `store verify` does not name, and records that differ.
    share : float
        Of the sweep's time that reading and checking everything in its store takes.
    """

    damages: Counter[tuple[str, str]] = field(default_factory=Counter)
    set_aside: int = 0
    wrong: list[str] = field(default_factory=list)
    share: float = 0.0


def damaged_stores(whole: Undisturbed, damages: int, folder: Path, seed: int) -> DamagedStores:
    """Damage files of a store, some at once, and sweep on, until so many have been damaged.

    Parameters
    ----------
    whole : Undisturbed
    damages : int
    folder : Path
        For the outputs.
    seed : int
        Of the files, of what is done to them, and of the moments of the kills.

    Raises
    ------
    RequestError
        If a sweep fails, or there is nothing to damage.
    """
    draw = random.Random(seed)
    stores = DamagedStores(share=_checking(whole.out / ".store") / whole.seconds)
    out = folder / "damaged"
    shutil.copytree(whole.out, out)
    with tqdm(total=damages, desc="damages", unit="file", leave=False) as bar:
        while (left := damages - int(bar.n)) > 0:
            _forget(out, draw)
            driver = start(whole.track, out)
            _await_checkpoint(out / ".store")
            kill(driver)
            chosen = _chosen(out / ".store", min(left, AT_ONCE), draw)
            spoilt = {_spoil(path, sort, draw, stores) for path, sort in chosen}
            named = {path for path, _ in damaged(out / ".store")}
            stores.wrong += [f"{path.name}: `store verify` does not name it" for path in spoilt - named]
            finish(whole.track, out)
            aside = {path.name.rpartition("-")[2] for path in (out / ".store").glob(ASIDE)}
            stores.set_aside += sum(path.name in aside for path in spoilt)
            stores.wrong += whole.differing(out)
            for path, _ in list(damaged(out / ".store")):  # what the sweep had no need of
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            bar.update(len(chosen))
    return stores


def damage_lines(stores: DamagedStores) -> Iterator[str]:
    """What damages came to, in words."""
    yield f"damaged files: {stores.damages.total()}"
    for what in dict.fromkeys(of for of, _ in stores.damages):
        done = ", ".join(f"{number} × {how}" for (of, how), number in stores.damages.items() if of == what)
        yield f"  {what}: {done}"
    yield f"  met by the sweep, set aside and computed anew: {stores.set_aside}; `store verify` named all others"
    yield f"  damages that nobody noticed, or canonical records that differ: {len(stores.wrong)}"
    yield from (f"    {line}" for line in stores.wrong)
    yield f"reading and checking all stages once: {100 * stores.share:.2f} % of the sweep's time"


def _forget(out: Path, draw: random.Random) -> None:
    """Remove all trials, some of the stages they consist of, and what was set aside."""
    store = out / ".store"
    for folder in (path for path in out.iterdir() if not path.name.startswith(".")):
        shutil.rmtree(folder)
    for folder in (path for path in stage_folders(store) if draw.random() < SHARE):
        shutil.rmtree(folder)
    for path in store.glob(ASIDE):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _await_checkpoint(store: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not list(store.glob(CHECKPOINTS)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _chosen(store: Path, number: int, draw: random.Random) -> list[tuple[Path, str]]:
    """Some files with what they are, of all sorts that there are.

    Raises
    ------
    RequestError
        If the store is empty.
    """
    sorts = {
        "checkpoint": sorted(store.glob(CHECKPOINTS)),
        "value": sorted(store.glob(VALUES)),
        "tensors": sorted(store.glob(SHARED)),
        "stage": [folder / STAGE for folder in stage_folders(store)],
        "curve": [path for folder in stage_folders(store) if (path := folder / CURVE).exists()],
    }
    chosen = {path: (path, "checkpoint") for path in sorts.pop("checkpoint")[:number]}
    while len(chosen) < number and any(sorts.values()):
        sort = draw.choice([sort for sort, paths in sorts.items() if paths])
        path = sorts[sort].pop(draw.randrange(len(sorts[sort])))
        chosen[path] = path, sort
    if not chosen:
        raise RequestError(f"{store}: nothing to damage; use a longer track")
    return list(chosen.values())


def _spoil(path: Path, sort: str, draw: random.Random, stores: DamagedStores) -> Path:
    """Damage a file; give what `store verify` should name."""
    how = draw.choice(list(DAMAGES))
    path.write_bytes(DAMAGES[how](path.read_bytes(), draw))
    stores.damages[sort, how] += 1
    return path.parent if sort in ("stage", "curve") else path


def _checking(store: Path) -> float:
    """Seconds to read and check all that a store holds."""
    begun = time.monotonic()
    for path, problem in damaged(store):
        raise RequestError(f"{path}: {problem}, although nothing disturbed the sweep")
    return time.monotonic() - begun
