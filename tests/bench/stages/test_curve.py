"""What stages record on their way, and that recording changes nothing."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.stages.carry_out import advance
from bench.stages.curve import KEY, Recorder, validation_points
from bench.stages.learn_mask import searching
from bench.stages.loop import LossWatch, Progress, training_step
from bench.stages.train import WeightTraining, learning_rate
from bench.stages.workspace import Workspace
from bench.store.curve import point_at
from bench.store.state import Checkpoint, State
from bench.store.store import Store
from pruners import LearnMask, Mask, Prune, Train
from pruners.gradual import Gradual
from pruners.methods.set import GrowAtRandom
from tests.bench.toy import toy_plan

NOWHERE = Progress(None, lambda checkpoint: None)
STAGES = [
    Train(0, 12),
    Train(4, 12),
    Train(0, 12, choices=4),
    Train(0, 12, Gradual("magnitude", "0.9", "global", (), (2, 5))),
    Train(0, 12, GrowAtRandom(0.5, (3, 6))),
    LearnMask("0.9", "global", 9),
    LearnMask("0.9", "global", 12, joint=True),
]
stages = pytest.mark.parametrize("stage", STAGES, ids=str)


@pytest.fixture
def workspace(tmp_path):
    """With patients for validation: those of training."""
    workspace = toy_plan(tmp_path, pruner="dense").workspace
    return replace(workspace, validation=workspace.data)


def start(workspace, density=1.0):
    state = State.of(workspace.initial_model())
    if density == 1:
        return state
    draw = torch.Generator().manual_seed(0)
    return State(state.weights, Mask({n: torch.rand(m.shape, generator=draw) < density for n, m in state.mask.items()}))


def beginning(workspace, stage):
    return start(workspace, 0.5 if isinstance(stage, Train) and isinstance(stage.update, GrowAtRandom) else 1.0)


def timeless(curve):
    return [point._replace(seconds=0.0) for point in curve]


def frequent(monkeypatch):
    """Validate after every second step or so, whatever it costs."""
    monkeypatch.setattr("bench.stages.curve.SHARE", 1e6)
    monkeypatch.setattr("bench.stages.curve.POINTS", 5)


def test_a_training_records_every_step(workspace):
    state = start(workspace, 0.5)
    _, cost = advance(state, Train(2, 8), replace(workspace, validation=None), {}, NOWHERE)
    assert [point.step for point in cost.curve] == [2, 3, 4, 5, 6, 7]
    assert [p.learning_rate for p in cost.curve] == [learning_rate(workspace.training, step) for step in range(2, 8)]
    assert {point.density for point in cost.curve} == {state.mask.density}
    assert all(math.isfinite(point.loss) and point.gradient_norm > 0 for point in cost.curve)
    seconds = [point.seconds for point in cost.curve]
    assert seconds == sorted(seconds)
    assert {(point.validation_loss, point.validation_psnr) for point in cost.curve} == {(None, None)}


def test_losses_and_gradient_norms_are_those_of_the_steps(workspace):
    state, seen = start(workspace), []
    model = workspace.model(state)
    learner = WeightTraining(model, state.mask, Train(0, 3), workspace)
    for step, samples in enumerate(workspace.source("training").batches(3)):
        watch = LossWatch("training")
        training_step(learner, samples, step, watch)
        parts = [
            parameter.grad.double().square().sum() for parameter in model.parameters() if parameter.grad is not None
        ]
        seen.append(
            (watch.last, min(float(learner.gradient_norm), workspace.training.clip), math.sqrt(float(sum(parts))))
        )
    _, cost = advance(state, Train(0, 3), replace(workspace, validation=None), {}, NOWHERE)
    assert [point.loss for point in cost.curve] == [loss for loss, _, _ in seen]
    for (_, clipped, left), point in zip(seen, cost.curve, strict=True):
        assert clipped == pytest.approx(left, rel=1e-4)
        assert point.gradient_norm >= clipped


def test_a_mask_search_records_its_logits(workspace):
    stage = LearnMask("0.9", "global", 6, rate=0.2)
    state = start(workspace)
    found, cost = advance(state, stage, workspace, {}, NOWHERE)
    assert [point.learning_rate for point in cost.curve] == [0.2] * 6
    assert cost.curve[-1].density == pytest.approx(cost.findings["mean_probability"], rel=1e-6)
    assert cost.curve[0].density != cost.curve[-1].density
    masked = workspace.model(state)
    found.mask.apply_({name: masked.get_parameter(name) for name in found.mask})
    assert cost.curve[-1].validation_psnr == workspace.validate(masked).psnr  # under the mask it ended with


def test_a_search_without_a_mask_is_not_validated(workspace):
    state = start(workspace)
    search = searching(workspace.model(state), state.mask, LearnMask("0.9", "global", 6), workspace)
    with torch.no_grad():
        next(iter(search.logits.values())).fill_(math.nan)
    assert search.validate(0) is None


@stages
def test_validation_changes_nothing(workspace, monkeypatch, stage):
    state = beginning(workspace, stage)
    _, few = advance(state, stage, workspace, {}, NOWHERE)
    frequent(monkeypatch)
    ended, many = advance(state, stage, workspace, {}, NOWHERE)
    assert sum(point.validation_loss is not None for point in many.curve) > sum(
        point.validation_loss is not None for point in few.curve
    )
    monkeypatch.setattr("bench.stages.learn_mask.validation_points", lambda *_: frozenset())
    monkeypatch.setattr("bench.stages.train.validation_points", lambda *_: frozenset())
    other, none = advance(state, stage, workspace, {}, NOWHERE)
    assert {name for name, value in ended.weights.items() if not torch.equal(value, other.weights[name])} == set()
    assert ended.mask == other.mask
    assert (many.macs, few.macs) == (none.macs, none.macs)
    assert {**many.findings, "psnr_at_gate": 0} == {**few.findings, "psnr_at_gate": 0}
    assert {**many.findings, "psnr_at_gate": 0} == {**none.findings, "psnr_at_gate": 0}


@stages
@pytest.mark.parametrize("most", [5, 2000])
def test_a_killed_stage_has_the_rows_of_an_undisturbed_one(workspace, tmp_path, monkeypatch, stage, most):
    monkeypatch.setattr("bench.stages.curve.MOST_ROWS", most)
    monkeypatch.setattr("bench.stages.loop.CHECKPOINT_SECONDS", -1.0)
    frequent(monkeypatch)
    state, store = beginning(workspace, stage), Store(tmp_path / "store")
    _, whole = advance(state, stage, workspace, {}, NOWHERE)
    found: Checkpoint | None = None
    for stop in (5, 7):  # twice

        def save(checkpoint, stop=stop):
            store.save_checkpoint("key", checkpoint)
            if checkpoint.step == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            advance(state, stage, workspace, {}, Progress(found, save))
        found = store.load_checkpoint("key")
        assert found is not None
    _, resumed = advance(state, stage, workspace, {}, replace(NOWHERE, found=found))
    assert timeless(resumed.curve) == timeless(whole.curve)
    assert resumed.findings == whole.findings
    seconds = [point.seconds for point in resumed.curve]
    assert seconds == sorted(seconds)
    assert resumed.seconds >= seconds[-1] >= found.seconds


def test_a_checkpoint_without_a_curve_is_continued(workspace, monkeypatch):
    """One of an earlier version, which knew the quality at the gate already."""
    monkeypatch.setattr("bench.stages.loop.CHECKPOINT_SECONDS", -1.0)
    state, kept = start(workspace), dict[int, Checkpoint]()
    _, whole = advance(state, Train(0, 12), workspace, {}, Progress(None, lambda c: kept.update({c.step: c})))
    tensors = {name: value for name, value in kept[11].tensors.items() if name != KEY}
    tensors["finding.psnr_at_gate"] = torch.tensor(whole.findings["psnr_at_gate"], dtype=torch.float64)
    old = replace(kept[11], tensors=tensors)
    _, resumed = advance(state, Train(0, 12), workspace, {}, replace(NOWHERE, found=old))
    assert timeless(resumed.curve) == timeless(whole.curve[-1:])
    assert resumed.findings == whole.findings


def test_rows_of_long_stages_are_means_over_windows(workspace, monkeypatch):
    state = start(workspace)
    _, fine = advance(state, Train(0, 12), workspace, {}, NOWHERE)
    monkeypatch.setattr("bench.stages.curve.MOST_ROWS", 3)
    _, coarse = advance(state, Train(0, 12), workspace, {}, NOWHERE)
    points = {point.step for point in fine.curve if point.validation_loss is not None}
    assert [point.step for point in coarse.curve] == sorted({3, 7, 11} | points)
    first = 0
    for point in coarse.curve:
        window = fine.curve[first : point.step + 1]
        assert point.loss == math.fsum(p.loss for p in window) / len(window)
        assert point.gradient_norm == math.fsum(p.gradient_norm for p in window) / len(window)
        assert timeless([point._replace(loss=0, gradient_norm=0)]) == timeless(
            [window[-1]._replace(loss=0, gradient_norm=0)]
        )
        first = point.step + 1


def test_a_stage_has_about_two_thousand_rows_at_most():
    for steps in (2000, 2001, 123_456):
        recorder = Recorder((0, steps), frozenset())
        assert 990 < sum(recorder.ends(step) for step in range(steps)) <= 2001


def priced(validation: float) -> Any:
    """A workspace where validation costs so many training steps."""
    return SimpleNamespace(validation=object(), step_macs=1000.0, validation_macs=round(1000 * validation))


@pytest.mark.parametrize(
    ("steps", "price", "gate", "expected"),
    [
        ((0, 100), 0.1, None, set(range(4, 100, 5))),
        ((50, 100), 1.25, None, {74, 99}),
        ((0, 100), 1.25, None, {24, 49, 74, 99}),
        ((0, 100), 1.25, 79, {24, 49, 74, 79, 99}),
        ((0, 100), 1e9, None, {49, 99}),
        ((0, 100), 1e9, 79, {79, 99}),
        ((0, 3), 1e-9, None, {0, 1, 2}),
        ((0, 1), 1.0, 0, {0}),
    ],
)
def test_validation_is_spread_and_takes_a_twentieth_of_the_training(steps, price, gate, expected):
    assert validation_points(priced(price), steps, gate) == expected


def test_nothing_is_validated_without_patients():
    assert validation_points(SimpleNamespace(validation=None), (0, 100), 79) == frozenset()  # type: ignore[arg-type]


def test_the_gate_reads_what_the_network_scores_at_that_step(workspace):
    """Bit for bit what a validation of its own gives."""
    state = start(workspace)
    _, cost = advance(state, Train(0, 12), workspace, {}, NOWHERE)
    gate = round(0.8 * 12) - 1
    learner = WeightTraining(workspace.model(state), state.mask, Train(0, 12), workspace)
    for step, samples in enumerate(workspace.source("training").batches(gate + 1)):
        training_step(learner, samples, step, LossWatch("training"))
    assert cost.findings["psnr_at_gate"] == workspace.validate(learner.model).psnr
    assert point_at(cost.curve, gate).validation_psnr == cost.findings["psnr_at_gate"]


@pytest.mark.parametrize("choices", [0, 4])
def test_the_end_is_read_from_the_curve_and_no_step_is_validated_twice(workspace, monkeypatch, choices):
    state, scored, seen = start(workspace), Workspace._scored, []

    def counting(self, model, data, batches, weights=None):
        found = scored(self, model, data, batches, weights)
        seen.append(found.loss)
        return found

    monkeypatch.setattr(Workspace, "_scored", counting)
    ended, cost = advance(state, Train(0, 12, choices=choices), workspace, {}, NOWHERE)
    points = [point for point in cost.curve if point.validation_loss is not None]
    assert len(seen) == len(points) + 1  # and the loss on training batches
    monkeypatch.undo()
    found = workspace.validate(workspace.model(ended))
    assert (cost.findings["psnr_at_end"], cost.findings["validation_loss"]) == (found.psnr, found.loss)


def test_stages_without_steps_have_no_curve(workspace):
    _, cost = advance(start(workspace), Prune("magnitude", "0.5", "global"), workspace, {}, NOWHERE)
    assert cost.curve == ()
