"""The bill of a trial: against a hand count of passes, and against clocks around its stages."""

import time
from contextlib import contextmanager

import pytest

import bench.stages.carry_out
import bench.stages.learn_mask
import bench.stages.train
from bench.stages.carry_out import run_recipe
from bench.store.store import Store
from bench.trials.plan import plan
from bench.trials.request import Request
from tests.bench.toy import toy_plan

T = 12
PASSES = {
    ("dense", None, None): T,
    ("dense", None, "long"): T + 3,
    ("magnitude", "at-init", None): T,
    ("magnitude", "after", None): T + 3,
    ("snip", "at-init", None): 8 + T,
    ("snip", "after", None): T + 8 + 3,
    ("iter-snip", "at-init", None): 20 * 2 + T,
    ("snip-channel", "at-init", None): 8 + T,
    ("iter-snip-channel", "after", None): T + 10 * 2 + 3,
    ("taylor-channel", "after", None): T + 8 + 3,
    ("pun", "at-init", None): 6 + T,
    ("pun", "while", None): T,
    ("lottery", "at-init", None): 2 * T,
    ("lottery", "while", None): T + 11,
}
"""Forward and backward passes at a sparsity of 0.5, counted by hand from the definitions; no data, no pass."""


def carry_out(planned):
    return run_recipe(
        planned.resolved.stages, planned.workspace, planned.context, Store(planned.store), True, lambda text: None
    )


@pytest.mark.parametrize(("pruner", "timing", "control"), PASSES)
def test_the_bill_is_a_hand_count_of_passes(tmp_path, pruner, timing, control):
    sparsity = "0.5" if timing else None
    planned = toy_plan(tmp_path, pruner=pruner, timing=timing, control=control, sparsity=sparsity)
    assert planned.resolved.budget == T
    outcome = carry_out(planned)
    billed = sum(cost.macs for cost in outcome.costs) / planned.workspace.step_macs
    assert billed == pytest.approx(PASSES[pruner, timing, control], rel=1e-6)


@contextmanager
def clocks(monkeypatch, *places):
    """Seconds of each call of some functions."""
    times: dict[str, list[float]] = {}
    with monkeypatch.context() as patch:
        for module, name in places:
            patch.setattr(module, name, _timed(getattr(module, name), times.setdefault(name, [])))
        yield times


def _timed(function, times):
    def call(*arguments, **options):
        begun = time.perf_counter()
        result = function(*arguments, **options)
        times.append(time.perf_counter() - begun)
        return result

    return call


@pytest.mark.show
@pytest.mark.parametrize("pruner", ["snip", "iter-snip-channel", "pun"])
def test_costs_by_stage_agree_with_clocks_around_the_stages(tmp_path, monkeypatch, pruner):
    """Within 5 %: train, score, search, fine-tune of a trial of size demo, each with a clock of its own."""
    planned = plan(Request("modl-unet", pruner, timing="after", device="cpu", out=str(tmp_path), sparsity="0.8"))
    places = [
        (bench.stages.train, "optimise"),
        (bench.stages.learn_mask, "optimise"),
        (bench.stages.carry_out, "scored"),
    ]
    with clocks(monkeypatch, *places) as times:
        outcome = carry_out(planned)
    train, find, tune = (cost.seconds for cost in outcome.costs)
    if pruner == "pun":
        measured = times["optimise"]
    else:  # the second scoring is a diagnostic, which nobody pays
        measured = [times["optimise"][0], times["scored"][0], times["optimise"][1]]
    assert [train, find, tune] == pytest.approx(measured, rel=0.05)
