"""Training slices per second, from the files to the device, against the threads that read ahead."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.machine.ahead import ahead
from bench.machine.gpus import wait
from bench.machine.numerics import set_numerics
from bench.stages.batches import BatchSource
from bench.trials.plan import plan
from bench.trials.request import Request

ROUNDS = 3
"""Of which the median is reported; each one sees other slices."""
WARM_UP = 2
"""Batches before the clock starts."""


@dataclass(frozen=True)
class Loading:
    """What is loaded, and where to.

    Attributes
    ----------
    track, train_on, device : str
    data : str or None
        The root of the data.
    batches : int
        Timed in each round.
    threads : int
        That torch computes with.
    """

    track: str
    data: str | None
    train_on: str
    device: str
    batches: int
    threads: int


def loader_table(loading: Loading, workers: Sequence[int]) -> Iterator[str]:
    """Lines of a table: slices per second that are read, and that are ready for the network.

    Raises
    ------
    RequestError
        If there are no such data.
    """
    set_numerics(loading.threads)
    source, megabytes = _source(loading)
    rates: dict[tuple[int, bool], list[float]] = {(n, whole): [] for n in workers for whole in (False, True)}
    for number, (key, known) in enumerate([pair for _ in range(ROUNDS) for pair in rates.items()]):
        threads, whole = key
        known.append(_rate(replace(source, workers=threads), loading.batches, number, whole))
    shown = source.data.shapes(source.purpose)
    sizes = ", ".join(str(tuple(source.data.read(step).parts[0][1].shape[1:])) for step in shown)
    yield f"{len(source.data)} training slices of coils × rows × columns {sizes}; {megabytes:.1f} MB the first"
    yield f"device {source.device.type}, {loading.threads} threads of torch, median of {ROUNDS} × {loading.batches}"
    yield "| threads reading ahead | slices/s read | MB/s | slices/s ready for the network |"
    yield "|---|---|---|---|"
    for threads in workers:
        read, ready = median(rates[threads, False]), median(rates[threads, True])
        yield f"| {threads} | {read:.1f} | {read * megabytes:.0f} | {ready:.1f} |"


def _source(loading: Loading) -> tuple[BatchSource, float]:
    """Batches of one slice, and the size of the first one in the files, in MB."""
    request = Request("modl", "dense", size="toy", track=loading.track, data=loading.data, train_on=loading.train_on)
    planned = plan(replace(request, device=loading.device, settings=("train.batch=1",)))
    source = planned.workspace.source("loader")
    (first,) = source.data.read(0, "loader").parts
    return source, sum(part.nbytes for part in first[1:3]) / 1e6


def _rate(source: BatchSource, batches: int, number: int, whole: bool) -> float:
    """Slices per second of a round."""
    first = number * (batches + WARM_UP)
    steps = range(first, first + batches + WARM_UP)
    found: Iterable[object] = source.batches(len(steps), first) if whole else ahead(source.read, steps, source.workers)
    begun = 0.0
    for place, _ in enumerate(found):
        if place == WARM_UP - 1:
            wait(source.device)
            begun = time.monotonic()
    wait(source.device)
    return batches / (time.monotonic() - begun)
