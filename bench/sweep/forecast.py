"""What a sweep will take, from a few timed steps of each network on this device."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import torch

from bench.evaluation.scoring import reconstruct_volume
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
"""Scoring a volume takes about as long again as reconstructing it (metrics on the CPU)."""
BYTES_PER_WEIGHT = 4


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
    """

    naive: float
    shared: float
    seconds: float
    gigabytes: float


@dataclass(frozen=True)
class _Network:
    """What is measured once for all trials of a network.

    Attributes
    ----------
    estimator : Estimator
    step_seconds : float
        Of a training step of the full-width network, to which the estimator relates.
    volume_seconds : float
        Of reconstructing and scoring a test volume.
    weights, mask : int
        Their bytes.
    """

    estimator: Estimator
    step_seconds: float
    volume_seconds: float
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
    starts: dict[str, int] = {}
    naive = evaluation = outputs = 0.0
    for planned in trials if progress is None else progress:
        kind = _kind(planned)
        if kind not in networks:
            networks[kind] = _measure(planned)
        network = networks[kind]
        budget = planned.resolved.budget
        naive += sum(network.estimator.estimate(stage).relative for stage in planned.resolved.stages) / budget
        volumes = len(planned.test.volumes) + sum(len(shift.test.volumes) for shift in planned.data.shifts)
        evaluation += network.volume_seconds * volumes
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
    return Forecast(naive, dense, seconds + evaluation, (stored + outputs) / 2**30)


def _kind(planned: PlannedTrial) -> tuple[object, ...]:
    trial = planned.resolved.trial
    resolved = planned.resolved
    network = trial.arch, trial.size, resolved.width, resolved.variant, resolved.groups, resolved.entry.granularity
    return *network, trial.train_on, trial.acceleration


def _measure(planned: PlannedTrial) -> _Network:
    """Time a few steps and one test volume."""
    planned.set_numerics()
    workspace, device = replace(planned.workspace, width=1.0), planned.workspace.device
    learner = dense_training(workspace)
    source = workspace.source(learner.purpose)

    def step(number: int) -> None:
        with suppress(DivergedError):  # it took its time all the same
            training_step(learner, source.batch(number), number, LossWatch(learner.purpose))
        _wait(device)

    def volume(number: int) -> None:
        chosen = planned.test.volumes[number % len(planned.test.volumes)]
        reconstruct_volume({"network": partial(reconstruct, learner.model)}, chosen, planned.test)
        _wait(device)

    state = State.of(planned.workspace.initial_model(), groups=planned.workspace.groups)
    weights = BYTES_PER_WEIGHT * sum(value.numel() for value in state.weights.values())
    evaluation = SCORING_SHARE * _seconds(volume)
    return _Network(Estimator(planned.workspace), _seconds(step), evaluation, weights, state.mask.total)


def _seconds(run: Callable[[int], None]) -> float:
    """Mean time of a few calls after one to warm up."""
    run(0)
    begun = time.monotonic()
    for number in range(1, TIMED_STEPS + 1):
        run(number)
    return (time.monotonic() - begun) / TIMED_STEPS


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
