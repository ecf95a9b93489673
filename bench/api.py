"""The suite from Python, in six names.

`run` trains, `load` gives a trained network, `prepare` reads a file for it, `evaluate` scores it on other data;
`results` and `volumes` are tables of what was recorded. docs/api.md has an example of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from bench.machine.gpus import enter
from bench.trials.log import Journal
from bench.trials.plan import choose_device, plan
from bench.trials.request import Request
from bench.trials.run import answer_from_store
from bench.trials.run import run as carry_out
from bench.use.data import Conditions, OpenRoot
from bench.use.evaluate import Evaluated
from bench.use.evaluate import evaluate as evaluate_one
from bench.use.files import preparation_for
from bench.use.network import TrainedNetwork
from bench.use.opening import found_trials, open_network
from bench.use.prepared import PreparedScan
from datasets.scans import open_scan, undersampled
from leaderboards.output import frames
from leaderboards.rows.rows import read_records
from records.record import Record
from registries import RequestError

__all__ = ["evaluate", "load", "prepare", "results", "run", "volumes"]


@dataclass(frozen=True)
class Finished:
    """A trial that was carried out.

    Attributes
    ----------
    record : Record
    folder : Path
        Holds everything it left; what `load` takes.
    """

    record: Record
    folder: Path


def run(arch: str, pruner: str, **choices: Any) -> Finished:
    """Carry out a trial as ``python -m bench run`` does, or find it again.

    Parameters
    ----------
    arch, pruner : str
    **choices
        The options of the command, with underscores: ``size``, ``timing``, ``sparsity``, ``seed``, ``out``, …; settings
        are a mapping, e.g. ``settings={"train.steps": 100}``.

    Raises
    ------
    RequestError
        In one line, if the trial is impossible.
    """
    known = {field.name for field in fields(Request)} - {"arch", "pruner", "quiet"}
    if foreign := sorted(set(choices) - known):
        raise RequestError(f"run: there is no option '{foreign[0]}'; there are {', '.join(sorted(known))}")
    request = Request(arch, pruner, **{name: _as_option(name, value) for name, value in choices.items()})
    enter(choose_device(request.device))
    planned = plan(request)
    found = None if request.fresh else answer_from_store(planned, print)
    if found is None:
        with Journal(planned.folder / "log.txt") as journal:
            found = carry_out(planned, request.fresh, journal.log, journal.log)
    return Finished(found, planned.folder)


def load(trial: str | Path, device: str = "auto", arch: str | None = None, size: str | None = None) -> TrainedNetwork:
    """The network of a finished trial: ``.mask``, ``.record``, ``.model`` and ``.reconstruct(kspace, sampling_mask)``.

    Parameters
    ----------
    trial : str or Path
        Its folder, or a file of weights from anywhere.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    arch, size : str, optional
        Of a file of weights that does not say which network it is of.

    Raises
    ------
    RequestError
        If the trial did not finish, or its weights and mask are not there or not its own.
    """
    chosen = choose_device(device)
    enter(chosen)
    return open_network(Path(trial), chosen, arch, size)


def prepare(
    file: str | Path, network: TrainedNetwork, slices: Sequence[int] | None = None, acceleration: int | None = None
) -> PreparedScan:
    """Read slices of a volume in fastMRI's layout, with or without target, for a network.

    Parameters
    ----------
    file : str or Path
    network : TrainedNetwork
        Decides on pattern and acceleration where the file is fully sampled.
    slices : sequence of int, optional
        By default all.
    acceleration : int, optional
        Instead of the network's.

    Raises
    ------
    RequestError
        If it is no such file, or has no such slice.
    """
    scan = open_scan(Path(file))
    chosen = range(scan.shape[0]) if slices is None else slices
    if not chosen:
        raise RequestError("slices: name at least one")
    if missing := [index for index in chosen if index not in range(scan.shape[0])]:
        raise RequestError(f"{file}: has no slice {missing[0]}; there are 0 to {scan.shape[0] - 1}")
    kspace, target = scan.read(chosen)
    sampled, mask, calibration = undersampled(
        scan, torch.from_numpy(kspace), preparation_for(scan, network, acceleration)
    )
    return PreparedScan(sampled.numpy(), mask[0].squeeze(0).numpy(), calibration, target, scan.shown)


def evaluate(
    trials: str | Path | Sequence[str | Path], out: str | Path = "evaluations", **conditions: Any
) -> list[Evaluated]:
    """Score trained networks on other data, as ``python -m bench evaluate`` does.

    Parameters
    ----------
    trials : str or Path, or a sequence of them
        Folders of finished trials, folders of several, or files of weights.
    out : str or Path
    **conditions
        The options of the command: ``data``, ``annotations``, ``acceleration``, ``shifts``, ``splits``, ``volumes``,
        ``slices``, ``include_train``.

    Returns
    -------
    list of Evaluated
        Each with ``.record`` and ``.volumes``, the scores of every method on every volume.

    Raises
    ------
    RequestError
        If there is nothing to score the networks on.
    """
    known = [field.name for field in fields(Conditions)]
    if foreign := sorted(set(conditions) - set(known)):
        raise RequestError(f"evaluate: there is no option '{foreign[0]}'; there are {', '.join(known)}")
    values: dict[str, Any] = {
        name: _names(value) if name in ("shifts", "splits") and value is not None else value
        for name, value in conditions.items()
    }
    given = [trials] if isinstance(trials, str | Path) else trials
    opened, networks = OpenRoot(Conditions(**values)), [load(trial) for trial in found_trials(given)]
    return [evaluate_one(network, opened.choose(network), Path(out), False, print) for network in networks]


def results(folder: str | Path) -> pd.DataFrame:
    """One row per trial or evaluation of a folder or board: what was asked for, cost, and ``SPLIT.METRIC`` scores.

    Raises
    ------
    RequestError
        If it holds no records.
    """
    return frames.trials(read_records(Path(folder), evaluations=True))


def volumes(folder: str | Path) -> pd.DataFrame:
    """One row per trial, split, shift and volume of a folder or board, with all figures of merit.

    Raises
    ------
    RequestError
        If it holds no records.
    """
    return frames.volumes(read_records(Path(folder), evaluations=True))


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    """Of one name or several."""
    return (value,) if isinstance(value, str) else tuple(value)


def _as_option(name: str, value: Any) -> Any:
    if name == "settings" and isinstance(value, Mapping):
        return tuple(f"{key}={one}" for key, one in value.items())
    if name in ("settings", "shifts") and value is not None:
        return _names(value)
    if name in ("seed", "acceleration") and not isinstance(value, int):
        raise RequestError(f"{name} {value!r}: is not a whole number")
    return str(value) if name in ("sparsity", "out", "data", "annotations", "dense_weights", "track") else value
