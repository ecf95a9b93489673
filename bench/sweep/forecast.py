"""What a sweep will take, from a few timed steps of each network on this device."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from bench.evaluation.scoring import reconstruct_volume
from bench.machine.gpus import wait
from bench.networks.reconstruct import reconstruct
from bench.stages.loop import DivergedError, LossWatch, training_step
from bench.stages.train import dense_training
from bench.store.state import State
from bench.sweep.sharing import Shared
from bench.trials.budget import Estimator
from bench.trials.plan import PlannedTrial
from pruners.stages import changes_mask, changes_weights

TIMED_STEPS = 3
SCORING_SHARE = 2.0
"""Scoring a slice takes about as long again as reconstructing it (metrics on the CPU)."""
BYTES_PER_WEIGHT = 4
GIB = 2**30


@dataclass(frozen=True)
class Forecast:
    """Expected effort.

    Attributes
    ----------
    naive, shared : float
        Cost of the stages in dense trainings, each trial on its own and each stage once.
    seconds : float
        Of one worker alone: stages that are left, and evaluation.
    gigabytes : float
        Of the store and the outputs.
    read : float
        GiB that training and evaluation read from the data.
    """

    naive: float
    shared: float
    seconds: float
    gigabytes: float
    read: float


@dataclass(frozen=True)
class _Network:
    """What is measured once for all trials of a network.

    Attributes
    ----------
    estimator : Estimator
    step_seconds : float
        Of a training step of the full-width network, to which the estimator relates.
    slice_seconds : float
        Of reconstructing and scoring a slice.
    weights, mask : int
        Their bytes.
    """

    estimator: Estimator
    step_seconds: float
    slice_seconds: float
    weights: int
    mask: int


def forecast(
    trials: Sequence[PlannedTrial], shared: Shared, progress: Iterable[PlannedTrial] | None = None
) -> Forecast:
    """Estimate the cost of all trials and the time of those stages that are not in the store.

    Parameters
    ----------
    trials : sequence of PlannedTrial
    shared : Shared
        Their stages.
    progress : iterable, optional
        The same trials, wrapped to show progress.
    """
    networks: dict[tuple[object, ...], _Network] = {}
    times: dict[tuple[object, ...], tuple[float, float]] = {}
    starts: dict[str, int] = {}
    naive = evaluation = outputs = read = 0.0
    for planned in trials if progress is None else progress:
        kind = _kind(planned)
        if kind not in networks:
            networks[kind] = _measure(planned, times)
        network = networks[kind]
        budget = planned.resolved.budget
        naive += sum(network.estimator.estimate(stage).relative for stage in planned.resolved.stages) / budget
        for test in (planned.test, *(shift.test for shift in planned.data.shifts)):
            evaluation += network.slice_seconds * sum(len(test.slices[volume.name]) for volume in test.volumes)
            read += sum(len(test.slices[volume.name]) * volume.slice_bytes for volume in test.volumes)
        outputs += network.weights + network.mask
        starts[planned.context.key] = network.weights + network.mask
    dense = seconds = 0.0
    stored = float(sum(starts.values()))
    for key, (planned, stage) in shared.distinct.items():
        network = networks[_kind(planned)]
        relative = network.estimator.estimate(stage).relative
        dense += relative / planned.resolved.budget
        stored += network.weights * changes_weights(stage) + network.mask * changes_mask(stage)
        if not (planned.store / key).is_dir():
            seconds += relative * network.step_seconds
            read += network.estimator.estimate(stage).steps * planned.workspace.data.batch_bytes
    return Forecast(naive, dense, seconds + evaluation, (stored + outputs) / GIB, read / GIB)


def _kind(planned: PlannedTrial) -> tuple[object, ...]:
    trial = planned.resolved.trial
    resolved = planned.resolved
    network = trial.arch, trial.size, resolved.width, resolved.variant, resolved.groups, resolved.entry.granularity
    return *network, trial.train_on, trial.acceleration


def _measure(planned: PlannedTrial, times: dict[tuple[object, ...], tuple[float, float]]) -> _Network:
    """Count, and time what was not timed before: trials that differ in their masks or data share the times."""
    resolved = planned.resolved
    network = resolved.trial.arch, resolved.trial.size, resolved.variant, resolved.track.training
    if network not in times:
        times[network] = _timed(planned)
    state = State.of(planned.workspace.initial_model(), groups=planned.workspace.groups)
    weights = BYTES_PER_WEIGHT * sum(value.numel() for value in state.weights.values())
    return _Network(Estimator(planned.workspace), *times[network], weights, state.mask.total)


def _timed(planned: PlannedTrial) -> tuple[float, float]:
    """Seconds of a training step and of a test slice."""
    planned.set_numerics()
    workspace, device = replace(planned.workspace, width=1.0), planned.workspace.device
    learner = dense_training(workspace)
    source = workspace.source(learner.purpose)

    def step(number: int) -> None:
        with suppress(DivergedError):  # it took its time all the same
            training_step(learner, source.batch(number), number, LossWatch(learner.purpose))
        wait(device)

    def one_slice(number: int) -> None:
        volume = planned.test.volumes[number % len(planned.test.volumes)]
        method = {"network": partial(reconstruct, learner.model)}
        reconstruct_volume(method, volume, planned.test.only(volume, 0))
        wait(device)

    return _seconds(step), SCORING_SHARE * _seconds(one_slice)


def _seconds(run: Callable[[int], None]) -> float:
    """Mean time of a few calls after one to warm up."""
    run(0)
    begun = time.monotonic()
    for number in range(1, TIMED_STEPS + 1):
        run(number)
    return (time.monotonic() - begun) / TIMED_STEPS
