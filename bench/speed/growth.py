"""Time and memory of evaluation against the number of slices and volumes, each case in a process of its own."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from bench.evaluation.baselines import oracle_image, zero_filled_image
from bench.evaluation.scoring import score
from bench.machine.memory import resident_mb
from bench.networks.reconstruct import reconstruct
from bench.trials.plan import plan
from bench.trials.request import Request
from registries.text import aligned


@dataclass(frozen=True)
class Growing:
    """What is scored.

    Attributes
    ----------
    track, arch, size : str
        The network is untrained.
    data : str or None
        The root of the data.
    """

    track: str
    arch: str
    size: str
    data: str | None


def growth_table(growing: Growing, slices: Sequence[int], volumes: Sequence[int]) -> Iterator[str]:
    """Lines of a table: seconds, and the peak memory of the process, against slices of one volume and volumes of one.

    Parameters
    ----------
    growing : Growing
    slices : sequence of int
        Of the first test volume.
    volumes : sequence of int
        With one slice each.

    Raises
    ------
    RequestError
        If there are no such data.
    """
    cases = [*((1, number) for number in slices), *((number, 1) for number in volumes)]
    rows = [["volumes", "", "slices of each", "seconds", "per slice", "MiB before", "MiB at most"]]
    for asked in cases:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            found, taken, seconds, before, most = process.submit(_measured, growing, *asked).result()
        each = f"{seconds / (found * taken):.2f}"
        rows.append([str(found), "", str(taken), f"{seconds:.1f}", each, f"{before:.0f}", f"{most:.0f}"])
    yield f"{growing.arch} of size {growing.size}, zero-filled and oracle, scored as track {growing.track} has it"
    yield from aligned(rows)


def _measured(growing: Growing, volumes: int, slices: int) -> tuple[int, int, float, float, float]:
    """Volumes and slices that there were, seconds, and resident memory before and at most, in MiB."""
    planned = plan(Request(growing.arch, "dense", size=growing.size, track=growing.track, data=growing.data))
    planned.set_numerics()
    chosen = planned.test.volumes[:volumes]
    taken = {volume.name: volume.filled[:slices] for volume in chosen}
    test = replace(planned.test, splits={"all": chosen}, slices=taken, annotations={})
    model = planned.workspace.initial_model().to(test.device).eval()
    before, begun = resident_mb("VmRSS"), time.monotonic()
    score({"network": partial(reconstruct, model), "zero-filled": zero_filled_image}, test, iter, {"o": oracle_image})
    seconds = time.monotonic() - begun
    return len(chosen), len(taken[chosen[0].name]), seconds, before, resident_mb("VmHWM")
