"""Trials that were killed in the middle, and how they end in another process."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress

from bench.stages.carry_out import advance, remember, run_recipe
from bench.stages.loop import Progress
from bench.store.state import Checkpoint, StageCost, State
from bench.store.store import Store
from bench.trials.plan import PlannedTrial, plan, stage_keys
from bench.trials.plugins import load_plugins
from bench.trials.request import Request
from pruners import LearnMask, Stage, Train
from pruners.stages import changes_mask, values_of

REMEDY = "derive everything from step, weights, mask and generator; attributes and globals do not survive"


class _KilledError(Exception):
    """The end of a process."""


def leave_killed(planned: PlannedTrial, states: Sequence[State]) -> str:
    """Leave in the store of a trial what its process leaves that is killed while the last mask is sought.

    Parameters
    ----------
    planned : PlannedTrial
        Not carried out yet.
    states : sequence of State
        Before, between and after its stages.

    Returns
    -------
    str
        Where that was.
    """
    stages, keys, store = planned.resolved.stages, stage_keys(planned), Store(planned.store)
    last = max((number for number, stage in enumerate(stages) if changes_mask(stage)), default=0)
    visited = {0: states[0].weights}
    for number, stage in enumerate(stages[:last]):
        state = states[number + 1]
        store.save(keys[number], state, StageCost(str(stage)), values_of(stage))
        remember(visited, stage, state)
    step = _middle(stages[last])
    if step is None:
        return f"before '{stages[last]}'"

    def save(checkpoint: Checkpoint) -> None:
        if checkpoint.step >= step:
            store.save_checkpoint(keys[last], checkpoint)
            raise _KilledError

    with suppress(_KilledError):
        advance(states[last], stages[last], planned.workspace, visited, Progress(None, save, pause=-1.0))
    return f"at step {step}"


def _middle(stage: Stage) -> int | None:
    """A step before and after which the mask is changed, if the stage takes steps."""
    if isinstance(stage, LearnMask):
        return stage.steps // 2
    if not isinstance(stage, Train):
        return None
    steps = range(stage.start, stage.stop)
    due = [step for step in steps if stage.update.due(step)] if stage.update else []
    return due[len(due) // 2] if due else steps[len(steps) // 2]


def ends_elsewhere(requests: Sequence[Request], files: Sequence[str]) -> Iterator[State]:
    """The last states of trials that another process carries out, from what it finds in the store."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        process.submit(load_plugins, files).result()
        for request in requests:
            key = process.submit(_carry_out, request).result()
            found = Store(plan(request).store).load(key)
            assert found is not None
            yield found[0]


def _carry_out(request: Request) -> str:
    planned = plan(request)
    planned.set_numerics()
    stages, store = planned.resolved.stages, Store(planned.store)
    return run_recipe(stages, planned.workspace, planned.context, store, False, lambda line: None).key
