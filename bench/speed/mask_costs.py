"""What finding a mask costs: in multiply–accumulates and in measured time, both in steps of a dense training."""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from tqdm import tqdm

from bench.machine.gpus import wait
from bench.machine.numerics import set_numerics
from bench.speed.timing import device_name
from bench.stages.carry_out import scored
from bench.stages.learn_mask import searching
from bench.stages.loop import DivergedError, Learner, LossWatch, training_step
from bench.stages.train import dense_training
from bench.stages.workspace import Workspace
from bench.store.state import State
from bench.trials.plan import PlannedTrial, plan
from bench.trials.request import Request
from pruners import LearnMask, Plan, Prune, PrunerEntry, Train, pruners
from pruners.stages import changes_mask
from registries import RequestError
from registries.text import aligned, plural

STEPS = 8
"""Of a dense training, and of a search, that are timed."""
PROBE = Plan(100, "0.9")


def pruners_table(arch: str, track: str, sparsity: str, only: Sequence[str], runs: int, device: str) -> Iterator[str]:
    """One row per pruner at initialization: the stages that find its mask, relative to dense training steps.

    Timed are all rounds of a score, or some steps of a search, each beside as many dense steps, in turn, after one turn
    to warm up. Pruners that train to find their mask have none before training.

    Parameters
    ----------
    arch, track, sparsity, device : str
        As in `Request`.
    only : sequence of str
        Pruners; all if empty.
    runs : int

    Raises
    ------
    RequestError
        If a pruner that was named finds no mask before training.
    """
    for name in only:
        if not _finds_first(pruners.get(name)):
            raise RequestError(f"--only {name}: finds no mask before training; its records hold its cost")
    names = only or [entry.name for entry in pruners if _finds_first(entry)]
    with tempfile.TemporaryDirectory() as out:
        base = Request(arch, "dense", track=track, device=device, out=out)
        dense = plan(base)
        threads, budget = dense.resolved.track.threads, dense.resolved.budget
        set_numerics(threads)
        place = dense.workspace.device
        device_ = f"{device_name(place)}, {plural(threads, 'thread')}"
        yield f"{arch}, track {track}, {sparsity} of the weights removed; {device_}"
        yield f"in steps of a dense training, of which it has {budget}; median of {runs} runs in turn"
        rows = [["pruner", "", "looks", "by multiply–accumulates", "by time", "time / training"]]
        missing: list[str] = []
        # also where the bars of trainings are not shown
        for name in tqdm(names, desc="pruners", unit="pruner", leave=False, disable=False):
            try:
                trial = plan(replace(base, pruner=name, timing="at-init", sparsity=sparsity))
            except RequestError as error:
                if only:
                    raise
                missing.append(f"{name}: n/a: {error}")
                continue
            stages = [stage for stage in trial.resolved.stages if not isinstance(stage, Train)]
            macs = sum(trial.estimator.estimate(stage).relative for stage in stages)
            measured = statistics.median([_finding(trial) / _training(dense) for _ in range(1 + runs)][1:])
            looks = sum(
                s.rounds if isinstance(s, Prune) else s.steps if isinstance(s, LearnMask) else 0 for s in stages
            )
            rows.append([name, "", str(looks), f"{macs:.1f}", f"{measured:.1f}", f"{100 * measured / budget:.1f} %"])
        yield from aligned(rows)
        yield from missing


def _finds_first(entry: PrunerEntry) -> bool:
    """Whether its recipe at initialization changes the mask only before its one training."""
    if "at-init" not in entry.timings:
        return False
    *finding, last = entry.recipe("at-init", PROBE)
    return not changes_mask(last) and not any(isinstance(stage, Train) for stage in finding)


def _finding(trial: PlannedTrial) -> float:
    """Seconds that the stages before the training take; of a search as many as its first steps tell."""
    state, total = State.of(trial.workspace.initial_model(), groups=trial.resolved.groups), 0.0
    for stage in trial.resolved.stages:
        model, work = trial.workspace.model(state), trial.workspace
        if isinstance(stage, Prune):
            begun = time.perf_counter()
            mask, _ = scored(state.mask, stage, model, work)
            total += time.perf_counter() - begun
            state = State(state.weights, mask)
        elif isinstance(stage, LearnMask):
            total += stage.steps * _step(searching(model, state.mask, stage, work), work)
    return total


def _training(trial: PlannedTrial) -> float:
    """Seconds of a step of dense training."""
    return _step(dense_training(trial.workspace), trial.workspace)


def _step(learner: Learner, work: Workspace) -> float:
    """Median seconds of a step, without the counter of its bill, which slows small networks down."""
    times = []
    for step in range(STEPS):
        wait(work.device)
        begun = time.perf_counter()
        with suppress(DivergedError):  # it took its time all the same
            training_step(learner, work.source(learner.purpose).batch(step), step, LossWatch(learner.purpose))
        wait(work.device)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)
