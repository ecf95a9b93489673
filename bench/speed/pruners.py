"""What finding a mask costs: in multiply–accumulates and in measured time, both in steps of a dense training."""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench.execution import advance, scored
from bench.loop import Progress
from bench.numerics import set_numerics
from bench.planning import PlannedTrial, plan
from bench.report import aligned
from bench.request import Request
from bench.speed.measure import device_name
from bench.state import State
from pruners import LearnMask, Plan, Prune, PrunerEntry, Stage, Train, pruners
from pruners.stages import changes_mask
from registries import RequestError

STEPS = 8
"""Of a dense training, and of a search, that are timed."""
PROBE = Plan(100, "0.9")
NOWHERE = Progress(None, lambda checkpoint: None)


def pruners_table(arch: str, track: str, sparsity: str, only: Sequence[str], runs: int, device: str) -> Iterator[str]:
    """One row per pruner at initialization: the stages that find its mask, relative to dense training steps.

    Times are the stages' own, of all rounds of a score and of a few steps of a search; each beside a few dense steps,
    in turn, after one turn to warm up. Pruners that train to find their mask have none before training.

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
        yield f"{arch}, track {track}, {sparsity} of the weights removed; {device_name(place)}, {threads} threads"
        yield f"in steps of a dense training, of which it has {budget}; median of {runs} runs in turn"
        rows = [["pruner", "", "looks", "by multiply–accumulates", "by time", "time / training"]]
        for name in names:
            trial = plan(replace(base, pruner=name, timing="at-init", sparsity=sparsity))
            stages = [stage for stage in trial.resolved.stages if not isinstance(stage, Train)]
            macs = sum(trial.estimator.estimate(stage).relative for stage in stages)
            ratios = [_seconds(trial, stages) / _seconds(dense, [Train(0, STEPS)]) for _ in range(1 + runs)]
            measured = STEPS * statistics.median(ratios[1:])
            looks = sum(stage.rounds if isinstance(stage, Prune) else _steps(stage) for stage in stages)
            rows.append([name, "", str(looks), f"{macs:.1f}", f"{measured:.1f}", f"{100 * measured / budget:.1f} %"])
        yield from aligned(rows)


def _finds_first(entry: PrunerEntry) -> bool:
    """Whether its recipe at initialization changes the mask only before its one training."""
    if "at-init" not in entry.timings:
        return False
    *finding, last = entry.recipe("at-init", PROBE)
    return not changes_mask(last) and not any(isinstance(stage, Train) for stage in finding)


def _seconds(trial: PlannedTrial, stages: Sequence[Stage]) -> float:
    """What the stages took by their own clocks, a search as long as its first steps tell."""
    state, total = State.of(trial.workspace.initial_model(), groups=trial.resolved.groups), 0.0
    for stage in stages:
        steps = _steps(stage)
        short = replace(stage, steps=min(STEPS, steps)) if isinstance(stage, LearnMask) else stage
        if isinstance(stage, Prune):  # without the counter of its bill, which slows small networks down
            model, begun = trial.workspace.model(state), time.perf_counter()
            mask, _ = scored(state.mask, stage, model, trial.workspace)
            state, seconds = State(state.weights, mask), time.perf_counter() - begun
        else:
            state, cost = advance(state, short, trial.workspace, {0: state.weights}, NOWHERE)
            seconds = cost.seconds * (steps / min(STEPS, steps) if isinstance(stage, LearnMask) else 1)
        total += seconds
    return total


def _steps(stage: Stage) -> int:
    return stage.steps if isinstance(stage, LearnMask) else 0
