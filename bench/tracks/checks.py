"""A track is checked whole when it is read, before anything of it is computed."""

from architectures import architectures
from bench.tracks.settings import EvaluationSettings
from datasets.shifts import shifts
from datasets.simulated import Simulation
from datasets.splits import splits
from pruners import pruners
from records.grid import Contrast
from records.row_name import RowName
from registries import RequestError
from registries.bounds import COUNT

METRIC = "psnr"
"""What boards show contrasts in."""


def check_evaluation(evaluation: EvaluationSettings, contrasts: tuple[Contrast, ...], where: str) -> None:
    """Splits and shifts exist, and contrasts name what is evaluated and rows that there can be.

    Raises
    ------
    RequestError
        Naming the first slip.
    """
    for name in evaluation.splits:
        splits.get(name)
    for name in evaluation.shifts:
        shifts.get(name)
    for contrast in contrasts:
        if contrast.split not in evaluation.splits:
            raise RequestError(f"{where}: a contrast names split '{contrast.split}', which is not evaluated")
        if contrast.shift not in ("none", *evaluation.shifts):
            raise RequestError(f"{where}: a contrast names shift '{contrast.shift}', which is not evaluated")
        if contrast.metric != METRIC:
            raise RequestError(f"{where}: a contrast is in '{contrast.metric}'; boards show them in {METRIC}")
        for row in (contrast.a, contrast.b):
            _check_row(row, where)


def _check_row(text: str, where: str) -> None:
    try:
        row = RowName.parse(text)
        architectures.get(row.arch)
        timings = pruners.get(row.pruner).timings
    except RequestError as error:
        raise RequestError(f"{where}: contrast: {error}") from None
    if row != text:
        raise RequestError(f"{where}: contrast: write '{text}' as '{row}'")
    if row.timing not in (timings or (None,)):
        raise RequestError(
            f"{where}: contrast: '{text}' does not exist; '{row.pruner}' has {', '.join(timings) or 'no timing'}"
        )


def check_simulation(simulation: Simulation | None, where: str) -> None:
    """There is something to simulate, and something to train on.

    Raises
    ------
    RequestError
        Naming the key.
    """
    if simulation is None:
        return
    COUNT.check(simulation.slices, f"{where}, [simulation], slices")
    if not simulation.knee_train + simulation.brain_train:
        raise RequestError(f"{where}, [simulation]: no patient to train on; raise knee_train or brain_train")
