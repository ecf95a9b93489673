"""Every architecture × pruner × timing × protocol either completes or answers with its declared reason."""

import math

import pytest

from architectures import architectures
from bench.stages.carry_out import run_recipe
from bench.store.store import Store
from pruners import LearnMask, kept_count, pruners
from pruners.entries import CHANNEL
from registries import RequestError
from tests.bench.toy import toy_plan

COMBINATIONS = [
    (entry.name, timing, protocol)
    for entry in pruners
    if entry.identity.origin == "built-in"
    for timing in entry.timings or (None,)
    for protocol in ("standard", "equal-total")
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One folder for all, so that the store shares what is the same."""
    return tmp_path_factory.mktemp("combinations")


def carry_out(planned):
    return run_recipe(
        planned.resolved.stages, planned.workspace, planned.context, Store(planned.store), False, lambda text: None
    )


def attempt(folder, **request):
    """A plan, or why there is none."""
    try:
        return toy_plan(folder, **request), None
    except RequestError as error:
        return None, str(error)


def cells():
    """Every combination; the budget of `equal-total` works alike for all networks, two stand for the rest."""
    for name, timing, protocol in COMBINATIONS:
        for architecture in architectures.names():
            waits = protocol == "equal-total" and architecture not in ("modl", "modl-unet")
            marks = [pytest.mark.show] if waits else []
            yield pytest.param(
                architecture, name, timing, protocol, marks=marks, id=f"{name}-{timing}-{protocol}-{architecture}"
            )


@pytest.mark.parametrize(("architecture", "name", "timing", "protocol"), list(cells()))
def test_every_combination_completes_or_says_why(shared, architecture, name, timing, protocol):
    request = {"arch": architecture, "pruner": name, "timing": timing, "protocol": protocol}
    entry = pruners.get(name)
    # few batches and rounds, so that a budget of twelve steps has room for some
    settings = [f"pruner.{key}=1" for key in ("batches",) if key in entry.options]
    settings += ["pruner.rounds=3"] if entry.rounds > 1 and timing != "while" else []
    whole = entry.granularity == CHANNEL
    planned, reason = attempt(shared, settings=tuple(settings), sparsity="0.5" if whole else None, **request)
    if planned is None and whole and architecture == "modl-didn":
        assert reason.endswith("its channels cannot be pruned")
        return
    if planned is None:
        assert protocol == "equal-total"
        assert "costs" in reason
        assert entry.uses_data or name == "lottery"
        return
    outcome = carry_out(planned)
    mask = outcome.state.mask
    wanted = kept_count(mask.total, planned.resolved.trial.sparsity)
    if whole:
        channels = planned.workspace.channels
        assert mask.kept <= wanted
        assert channels.mask(channels.kept(mask)) == mask
    else:
        assert mask.kept == wanted
    found = sum(cost.macs for cost in outcome.costs) / planned.workspace.step_macs
    expected = math.fsum(planned.estimator.estimate(stage).relative for stage in planned.resolved.stages)
    assert found == pytest.approx(expected, rel=0.02), [str(cost) for cost in outcome.costs]
    if protocol == "equal-total":
        assert found <= 1.02 * planned.resolved.budget
        steps = planned.resolved.plan.steps
        more = planned.resolved.with_steps(steps + 1).stages
        assert math.fsum(planned.estimator.estimate(stage).relative for stage in more) > planned.resolved.budget
    if any(isinstance(stage, LearnMask) for stage in planned.resolved.stages):
        assert {"soft_loss", "hard_loss", "random_loss", "failed"} <= {k for c in outcome.costs for k in c.findings}
    if entry.score is not None:
        overlaps = [cost.findings["overlap"] for cost in outcome.costs if "overlap" in cost.findings]
        assert len(overlaps) == (1 if entry.uses_data and timing != "while" else 0)
        assert all(0 <= overlap <= 1 for overlap in overlaps)
