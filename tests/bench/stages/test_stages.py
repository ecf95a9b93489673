"""Stages carried out: rewinding, moving masks, learned masks, early stopping, given weights."""

import copy
import math
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import safetensors.torch
import torch

from architectures.models.modl import ConvolutionalDenoiser, MoDL
from bench.stages.carry_out import advance, remember, run_recipe
from bench.stages.learn_mask import MaskSearch, learn_mask
from bench.stages.loop import Progress
from bench.stages.losses import TrainingLoss
from bench.stages.problem import TrainingProblem
from bench.stages.train import WeightTraining
from bench.stages.workspace import Validation, Workspace
from bench.store.state import State
from bench.store.store import Store
from bench.trials.run import run
from pruners import LearnMask, Mask, Prune, Rewind, Train, Transform, kept_count, pruners
from pruners.bernoulli import divergence, relaxed_sample, uniform
from pruners.entries import Plan
from pruners.gates import WeightGates
from pruners.gradual import Gradual
from pruners.mask import SCOPES
from pruners.methods.rigl import GrowByGradient
from registries import RequestError
from tests.bench.toy import toy_plan

NOWHERE = Progress(None, lambda checkpoint: None)


def follow(planned, stages=None):
    """State after each stage."""
    workspace = planned.workspace
    state = State.of(workspace.initial_model())
    visited, states = {0: state.weights}, []
    for stage in stages or planned.resolved.stages:
        state, _ = advance(state, stage, workspace, visited, NOWHERE)
        remember(visited, stage, state)
        states.append((stage, state))
    return states


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def finish(planned, tmp_path):
    return run_recipe(
        planned.resolved.stages, planned.workspace, planned.context, Store(tmp_path / "s"), False, lambda text: None
    )


def test_lottery_rewinds_bit_for_bit_to_the_initial_weights(tmp_path):
    planned = toy_plan(tmp_path, pruner="lottery")
    initial = State.of(planned.workspace.initial_model()).weights
    rewound = [state for stage, state in follow(planned) if isinstance(stage, Rewind)]
    assert len(rewound) == 4
    assert all(equal(state.weights, initial) for state in rewound)
    assert [state.mask.kept for state in rewound] == [kept_count(288, s) for s in ("0.5", "0.75", "0.875", "0.9")]


def test_lottery_rewinds_bit_for_bit_to_an_early_step(tmp_path):
    planned = toy_plan(tmp_path, pruner="lottery", timing="while", settings=("pruner.rewind=0.25",))
    states = follow(planned)
    early = states[0][1].weights
    assert states[0][0] == Train(0, 3)
    assert not equal(early, State.of(planned.workspace.initial_model()).weights)
    assert all(equal(state.weights, early) for stage, state in states if isinstance(stage, Rewind))


def test_a_lottery_of_no_rounds_equals_dense(tmp_path):
    ticket, dense = toy_plan(tmp_path, pruner="lottery", sparsity="0"), toy_plan(tmp_path, pruner="dense")
    assert equal(follow(ticket)[-1][1].weights, follow(dense)[-1][1].weights)


def test_rounds_are_shared_across_sparsities_through_the_store(tmp_path):
    first = finish(toy_plan(tmp_path, pruner="lottery", sparsity="0.9"), tmp_path)
    second = finish(toy_plan(tmp_path, pruner="lottery", sparsity="0.97"), tmp_path)
    assert not any(cost.reused for cost in first.costs)
    assert [cost.reused for cost in second.costs] == [True] * 10 + [False] * (len(second.costs) - 10)


def test_trainings_pair_with_dense(tmp_path):
    """`after` begins with the very training that dense is, from the store."""
    dense = finish(toy_plan(tmp_path, pruner="dense"), tmp_path)
    after = finish(toy_plan(tmp_path, timing="after"), tmp_path)
    assert [cost.reused for cost in after.costs] == [True, False, False]
    assert after.costs[0].macs == dense.costs[0].macs


class Watched(WeightTraining):
    """Writes down mask and weights around each step."""

    seen: ClassVar[list[Any]] = []

    def move(self, step):
        before = self.mask
        macs = super().move(step)
        weight = {name: value.detach().clone() for name, value in self._weights.items()}
        type(self).seen.append((step, before, self.mask, weight))
        return macs


def test_rigl_keeps_its_count_grows_from_zero_and_resets_the_optimizer(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.stages.train.WeightTraining", Watched)
    monkeypatch.setattr(Watched, "seen", [])
    planned = toy_plan(tmp_path, pruner="rigl", timing="while", sparsity="0.6")
    rate = planned.workspace.training.learning_rate
    follow(planned)
    counts = {name: int(kept.sum()) for name, kept in Watched.seen[0][2].items()}
    changed = 0
    for _, before, after, weights in Watched.seen:
        assert {name: int(kept.sum()) for name, kept in after.items()} == counts
        for name in after:
            assert (weights[name][~after[name]] == 0).all()
            grown = after[name] & ~before[name]
            changed += int(grown.sum())
            # one step of Adam from zero with a fresh state, whose second moment alone is biased: at most a few rates
            assert (weights[name][grown].abs() <= 10 * rate).all()
    assert changed > 0
    assert {step for step, before, after, _ in Watched.seen if before != after} <= {
        step for step in range(12) if planned.resolved.stages[1].update.due(step)
    }


def test_optimizer_state_of_grown_weights_starts_anew(tmp_path):
    """Where a weight has just grown, a first moment is (1 − β₁) times the last gradient, and nothing of before."""
    planned = toy_plan(tmp_path, pruner="rigl", timing="while", sparsity="0.6")
    workspace = planned.workspace
    (_, pruned), *_ = follow(planned, planned.resolved.stages[:1])
    model = workspace.model(pruned)
    stage = Train(0, 12, GrowByGradient(0.5, (5,), 9))
    learner = WeightTraining(model, pruned.mask, stage, workspace)
    for step in range(6):
        before = learner.mask
        samples = workspace.data.batch(step)
        loss = learner.loss(samples, step)
        learner.optimizer.zero_grad()
        loss.backward()
        learner.move(step)
    grown_somewhere = False
    for name, kept in learner.mask.items():
        weight = model.get_parameter(name)
        grown = kept & ~before[name]
        grown_somewhere |= bool(grown.any())
        moment = learner.optimizer.state[weight]["exp_avg"]
        assert torch.allclose(moment[grown], 0.1 * weight.grad[grown], atol=1e-9)
    assert grown_somewhere


@pytest.mark.parametrize("pruner", ["random", "pun"])
def test_a_stage_from_the_store_is_followed_by_what_follows_it_in_memory(tmp_path, pruner):
    """Also where a network has its layers in another order than files keep them in."""
    values = {"arch": "e2e-varnet", "pruner": pruner, "timing": "after"}
    whole = finish(toy_plan(tmp_path, **values), tmp_path / "whole")
    finish(toy_plan(tmp_path, arch="e2e-varnet", pruner="dense"), tmp_path / "parts")
    parts = finish(toy_plan(tmp_path, **values), tmp_path / "parts")
    assert parts.costs[0].reused
    assert parts.state.mask == whole.state.mask
    assert equal(parts.state.weights, whole.state.weights)


@pytest.mark.parametrize(("arch", "pruner"), [("modl", "snip"), ("e2e-varnet", "random"), ("e2e-varnet", "set")])
def test_a_mask_that_moves_survives_an_interruption(tmp_path, monkeypatch, arch, pruner):
    monkeypatch.setattr("bench.stages.loop.CHECKPOINT_SECONDS", -1.0)
    planned = toy_plan(tmp_path, arch=arch, pruner=pruner, timing="while")
    stage = planned.resolved.stages[-1]
    state = State.of(planned.workspace.initial_model())
    for before in planned.resolved.stages[:-1]:
        state, _ = advance(state, before, planned.workspace, {}, NOWHERE)
    whole, _ = advance(state, stage, planned.workspace, {}, NOWHERE)
    store = Store(tmp_path / "store")

    def save(checkpoint):
        store.save_checkpoint("key", checkpoint)
        if checkpoint.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        advance(state, stage, planned.workspace, {}, Progress(None, save))
    resumed, _ = advance(
        state, stage, planned.workspace, {}, Progress(store.load_checkpoint("key"), lambda checkpoint: None)
    )
    assert resumed.mask == whole.mask
    assert equal(resumed.weights, whole.weights)


@pytest.mark.parametrize("timing", ["at-init", "while"])
def test_a_search_survives_an_interruption(tmp_path, monkeypatch, timing):
    monkeypatch.setattr("bench.stages.loop.CHECKPOINT_SECONDS", -1.0)
    planned = toy_plan(tmp_path, pruner="pun", timing=timing)
    stage, state = planned.resolved.stages[0], State.of(planned.workspace.initial_model())
    whole, cost = advance(state, stage, planned.workspace, {}, NOWHERE)
    store = Store(tmp_path / "store")

    def save(checkpoint):
        store.save_checkpoint("key", checkpoint)
        if checkpoint.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        advance(state, stage, planned.workspace, {}, Progress(None, save))
    resumed, again = advance(state, stage, planned.workspace, {}, Progress(store.load_checkpoint("key"), save))
    assert resumed.mask == whole.mask
    assert equal(resumed.weights, whole.weights)
    assert cost.findings == again.findings


def test_a_search_freezes_the_weights(tmp_path):
    planned = toy_plan(tmp_path, pruner="pun")
    (_, after), *_ = follow(planned, planned.resolved.stages[:1])
    assert equal(after.weights, State.of(planned.workspace.initial_model()).weights)
    assert after.mask.kept == 29


def test_a_joint_search_trains_the_weights_and_ends_in_the_hard_mask(tmp_path, monkeypatch):
    planned = toy_plan(tmp_path, pruner="pun", timing="while")
    (_, after), *_ = follow(planned, planned.resolved.stages[:1])
    assert not equal(after.weights, State.of(planned.workspace.initial_model()).weights)
    model = planned.workspace.model(State.of(planned.workspace.initial_model()))
    learn = planned.resolved.stages[0]
    mask = State.of(model).mask
    search = MaskSearch(model, mask, WeightGates(mask), learn, planned.workspace)
    used: dict[str, torch.Tensor] = {}

    def loss(model, samples, weights):
        used.update(weights)
        return sum(w.sum() for w in weights.values())

    monkeypatch.setattr(search, "_loss", loss)
    search.loss(planned.workspace.data.batch(0), learn.steps - 1)
    top = search.top()
    assert all(torch.allclose(used[n], model.get_parameter(n) * top[n]) for n in top)


def test_divergence_is_that_of_bernoulli_distributions():
    logits = torch.linspace(-6, 6, 25, dtype=torch.float64)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Bernoulli(logits=logits),
        torch.distributions.Bernoulli(torch.tensor(0.1, dtype=torch.float64)),
    )
    assert torch.allclose(divergence(logits, 0.1), expected)
    assert float(divergence(torch.tensor(0.1).logit(), 0.1)) == pytest.approx(0, abs=1e-7)
    assert torch.isfinite(divergence(torch.tensor([-500.0, 500.0]), 0.1)).all()


def test_samples_are_kept_with_their_probability():
    noise = uniform(torch.Size([20000]), torch.Generator().manual_seed(0))
    for probability in (0.1, 0.5, 0.9):
        logits = torch.full((20000,), probability).logit()
        hard = relaxed_sample(logits, noise, 0.2, straight_through=True)
        assert set(hard.tolist()) == {0.0, 1.0}
        assert float(hard.mean()) == pytest.approx(probability, abs=0.01)
    logits = torch.zeros(5, requires_grad=True)
    (straight,) = torch.autograd.grad(relaxed_sample(logits, noise[:5], 0.2, straight_through=True).sum(), logits)
    (relaxed,) = torch.autograd.grad(relaxed_sample(logits, noise[:5], 0.2).sum(), logits)
    assert torch.allclose(straight, relaxed)


def test_the_loss_of_a_search_adds_the_divergence_relative_to_the_first_loss(tmp_path):
    planned = toy_plan(tmp_path, pruner="pun")
    workspace = planned.workspace
    model = workspace.initial_model()
    mask, samples = State.of(model).mask, workspace.data.batch(0)

    def loss(kl):
        stage = LearnMask("0.9", "global", 5, kl=kl, kl_unit="loss", probability=0.3)
        search = MaskSearch(model, mask, WeightGates(mask), stage, workspace)
        assert search.prior == 29 / 288  # by exact counts
        return search.loss(samples, 0).item(), search.mean_divergence().item()

    (plain, mean), (with_divergence, _) = loss(0.0), loss(2.0)
    prior = 29 / 288
    assert mean == pytest.approx(0.3 * math.log(0.3 / prior) + 0.7 * math.log(0.7 / (1 - prior)), rel=1e-4)
    assert with_divergence == pytest.approx(plain + 2 * plain * mean, rel=1e-5)


def test_the_divergence_weighs_as_much_as_the_first_gradients(tmp_path):
    """A network of a millionth of the response to its mask is searched alike, whatever the epsilon of Adam."""
    samples = toy_plan(tmp_path).workspace.data.batch(0)
    totals, probabilities = {}, {}
    for scale in (1.0, 1e-6):
        search = searching(tmp_path, steps=4, kl=2.0)
        plain = search._loss
        search._loss = lambda *given, plain=plain, scale=scale: scale * plain(*given)
        slopes = []
        for step in range(2):
            loss = search.loss(samples, step)
            search.optimizer.zero_grad()
            loss.backward()
            slopes.append(sum(float(logit.grad.abs().sum()) for logit in search.logits.values()))
            search.move(step)
        later, mean = search.loss(samples, 2), search.mean_divergence()
        search._stage = replace(search._stage, kl=0.0)
        added = (later - search.loss(samples, 2)).item()
        assert added == pytest.approx(2 * sum(slopes) / 2 * mean.item(), rel=1e-3)
        totals[scale] = added / scale
        probabilities[scale] = torch.cat([logit.detach().flatten() for logit in search.logits.values()])
    assert totals[1e-6] == pytest.approx(totals[1.0], rel=1e-3)
    assert torch.allclose(probabilities[1e-6], probabilities[1.0], atol=1e-3)
    assert probabilities[1.0].abs().max() > 0.1


def searching(tmp_path, mask=None, gates=None, steps=5, **values):
    """A search on the toy network, before its first step."""
    workspace = toy_plan(tmp_path).workspace
    model = workspace.model(State.of(workspace.initial_model()))
    full = mask or State.of(model).mask
    stage = LearnMask("0.9", "global", steps, **values)
    return MaskSearch(model, full, gates or WeightGates(full), stage, workspace)


def test_temperature_falls_geometrically(tmp_path):
    search = searching(tmp_path, temperature=1.0, final_temperature=0.0625)
    assert [search.temperature(step) for step in range(5)] == pytest.approx([1, 0.5, 0.25, 0.125, 0.0625])
    assert searching(tmp_path).temperature(3) == pytest.approx(0.2)


def test_the_divergence_of_layers_sees_their_mean_alone(tmp_path):
    """Logits that differ within a layer cost nothing where their mean probability is the density."""
    search, each = (searching(tmp_path, kl_over=over) for over in ("layers", "weights"))
    for found in (search, each):
        with torch.no_grad():
            for logits in found.logits.values():
                number = round(0.1 * logits.numel())  # a tenth nearly open, the others nearly closed
                logits.copy_(torch.where(torch.arange(logits.numel()) < number, 20.0, -20.0).reshape(logits.shape))
    shares = {n: round(0.1 * v.numel()) / v.numel() for n, v in search.logits.items()}
    assert search.mean_probability() == pytest.approx(sum(round(0.1 * n) for n in (72, 144, 72)) / 288, abs=1e-6)
    q = search.prior
    expected = sum(
        search.logits[n].numel() / 288 * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))
        for n, p in shares.items()
    )
    assert search.mean_divergence().item() == pytest.approx(expected, abs=1e-5)
    assert each.mean_divergence().item() > 0.3


def test_a_second_round_is_drawn_towards_its_share_of_what_is_left(tmp_path):
    full = searching(tmp_path).top()
    assert searching(tmp_path).prior == pytest.approx(29 / 288)
    half = Mask.from_scores({name: torch.rand(kept.shape) for name, kept in full.items()}, 144)
    second = searching(tmp_path, mask=half, probability=0.0)
    assert second.prior == pytest.approx(29 / 144)
    assert second.mean_probability() == pytest.approx(29 / 144)
    assert (second.top() & half) == second.top()


def test_a_search_tells_whether_it_converged_and_rounds_keep_within(tmp_path):
    settings = ("pruner.rounds=2", "pruner.protect_last=true")
    planned = toy_plan(tmp_path, pruner="pun", sparsity="0.7", settings=settings)
    (_, first), (_, second), *_ = follow(planned)
    assert (second.mask & first.mask) == second.mask
    assert second.mask.kept == kept_count(288, "0.7")
    assert second.mask["denoiser.layers.4.weight"].all()
    record = run(planned, False, lambda text: None)
    search = record.to_json()["mask"]["search"]
    assert search["divergence_unit"] > 0
    assert search["density"] == pytest.approx((kept_count(288, "0.7") - 72) / (first.mask.kept - 72))
    odds = [p / (1 - p) for p in (search["mean_probability"], search["density"])]
    assert search["not_converged"] == (not 1 / 3 <= odds[0] / odds[1] <= 3)
    assert record.to_json()["mask"]["disconnected"] == []
    with pytest.raises(RequestError, match=r"--sparsity 0\.9: the last convolutions that pruner\.protect_last keeps"):
        toy_plan(tmp_path, pruner="pun", settings=settings)


class Planted:
    """Training data whose targets a hidden subnetwork made."""

    def __init__(self, data, model, mask):
        self._data, self._model, self._mask = data, model, mask

    def batch(self, step, purpose="training", device=None):
        samples = self._data.batch(step, purpose)
        weights = {n: self._model.get_parameter(n) * self._mask[n] for n in self._mask}
        with torch.no_grad():
            image = torch.func.functional_call(self._model, weights, (samples.kspace, samples.mask, samples.maps))
        return replace(samples, target=image)


def test_a_search_finds_a_planted_subnetwork(tmp_path):
    """One linear 3 × 3 convolution, so that no other subnetwork does the same; a third of it made the targets."""
    workspace = toy_plan(tmp_path, pruner="pun", settings=("train.loss=mse", "train.batch=2")).workspace
    torch.manual_seed(0)
    model = MoDL(ConvolutionalDenoiser(2, layers=1), unrolls=1, iterations=2)
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        weight = model.denoiser.layers[0].weight
        weight.copy_(
            (0.5 + torch.rand(weight.shape, generator=draw)) * torch.randn(weight.shape, generator=draw).sign()
        )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    full = State.of(model).mask
    planted = Mask.from_scores({n: torch.rand(kept.shape, generator=draw) for n, kept in full.items()}, 12)

    class Here(Workspace):
        """Problems are of this network, which no registered architecture makes."""

        def problem(self, model, mask, use, purpose):
            copied = copy.deepcopy(model)
            return TrainingProblem(copied, mask, self.source(purpose), TrainingLoss("mse"), draw, self.channels)

    here = Here(**{**vars(workspace), "data": Planted(workspace.data, model, planted)})
    stage = LearnMask("0.6667", "global", 1000, temperature=1.0, final_temperature=1.0, kl=0.0, rate=0.05)
    found, spent = learn_mask(model, full, stage, here, NOWHERE)
    assert found.overlap(planted) == 1  # a random mask shares a third
    assert spent.findings["hard_loss"] == pytest.approx(0, abs=1e-9)
    assert spent.findings["random_loss"] > 0
    assert not spent.findings["failed"]
    assert equal(before, model.state_dict())


def test_a_search_that_keeps_everything_has_nothing_to_choose(tmp_path):
    """The only mask of its size is neither worse than random ones nor far from its density."""
    planned = toy_plan(tmp_path, pruner="pun", sparsity="0", settings=("pruner.rate=1e-12",))
    state = State.of(planned.workspace.initial_model())
    _, cost = advance(state, planned.resolved.stages[0], planned.workspace, {}, NOWHERE)
    assert (cost.findings["failed"], cost.findings["not_converged"]) == (0, 0)


def test_controls_change_what_they_say(tmp_path):
    planned = toy_plan(tmp_path)
    (_, pruned), *_ = follow(planned, planned.resolved.stages[:1])
    profile = {name: int(kept.sum()) for name, kept in pruned.mask.items()}
    visited = {0: pruned.weights}
    shuffled, _ = advance(pruned, Transform("shuffle"), planned.workspace, visited, NOWHERE)
    assert equal(shuffled.weights, pruned.weights)
    assert shuffled.mask != pruned.mask
    assert {name: int(kept.sum()) for name, kept in shuffled.mask.items()} == profile
    again, _ = advance(pruned, Transform("reinit"), planned.workspace, visited, NOWHERE)
    assert again.mask == pruned.mask
    assert not equal(again.weights, pruned.weights)
    inverted, _ = advance(
        State.of(planned.workspace.initial_model()),
        replace(planned.resolved.stages[0], lowest=True),
        planned.workspace,
        visited,
        NOWHERE,
    )
    assert inverted.mask.overlap(pruned.mask) == 0


def test_early_stopping_keeps_the_best_step_on_validation(tmp_path, monkeypatch):
    losses = iter([0.3, 0.1, 0.2, 0.4])
    monkeypatch.setattr(
        "bench.stages.workspace.Workspace.validate", lambda self, model: Validation(next(losses), 30.0, 7)
    )
    planned = toy_plan(tmp_path, pruner="dense")
    state = State.of(planned.workspace.initial_model())
    found, cost = advance(state, Train(0, 12, choices=4), planned.workspace, {}, NOWHERE)
    part, _ = advance(state, Train(0, 6), planned.workspace, {}, NOWHERE)
    assert equal(found.weights, part.weights)
    assert cost.findings["chosen_step"] == 6
    whole, plain = advance(state, Train(0, 12), planned.workspace, {}, NOWHERE)
    assert not equal(found.weights, whole.weights)
    assert cost.macs == plain.macs + 4 * 7
    assert not plain.findings


def test_every_training_to_the_end_says_how_it_fits_both_kinds_of_patients(tmp_path):
    """Pruned ones, too; trainings that stop earlier say nothing, and nobody is billed."""
    workspace = toy_plan(tmp_path, pruner="dense").workspace
    workspace = replace(workspace, validation=workspace.data)
    state = State.of(workspace.initial_model())
    pruned, _ = advance(state, Prune("magnitude", "0.5", "global"), workspace, {}, NOWHERE)
    ended, cost = advance(pruned, Train(0, 12), workspace, {}, NOWHERE)
    assert set(cost.findings) == {"psnr_at_end", "validation_loss", "training_loss"}
    assert cost.findings["validation_loss"] == cost.findings["training_loss"]  # the same patients here
    model = workspace.model(ended)
    found = workspace.validate(model)
    assert found.psnr == pytest.approx(cost.findings["psnr_at_end"])
    assert found.loss == pytest.approx(cost.findings["validation_loss"])
    assert not advance(pruned, Train(0, 6), workspace, {}, NOWHERE)[1].findings
    unobserved, free = advance(pruned, Train(0, 12), replace(workspace, validation=None), {}, NOWHERE)
    assert free.macs == cost.macs
    assert equal(unobserved.weights, ended.weights)


@pytest.mark.parametrize("stop", [4, 10])
def test_early_stopping_survives_an_interruption(tmp_path, monkeypatch, stop):
    monkeypatch.setattr("bench.stages.loop.CHECKPOINT_SECONDS", -1.0)
    workspace = toy_plan(tmp_path, pruner="dense").workspace
    workspace = replace(workspace, validation=workspace.data)
    state, stage = State.of(workspace.initial_model()), Train(0, 12, choices=6)
    whole, cost = advance(state, stage, workspace, {}, NOWHERE)
    store = Store(tmp_path / "store")

    def save(checkpoint):
        store.save_checkpoint("key", checkpoint)
        if checkpoint.step == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        advance(state, stage, workspace, {}, Progress(None, save))
    resumed, again = advance(state, stage, workspace, {}, Progress(store.load_checkpoint("key"), lambda c: None))
    assert equal(resumed.weights, whole.weights)
    assert (again.findings, again.macs, again.name) == (cost.findings, cost.macs, cost.name)
    assert "best of 6 on validation: step" in cost.name


def test_early_stopping_without_validation_patients_is_refused(tmp_path):
    with pytest.raises(RequestError, match="validation patients"):
        toy_plan(tmp_path, pruner="dense", control="early-stop")


def test_given_weights_stand_for_the_first_training(tmp_path):
    dense = follow(toy_plan(tmp_path, pruner="dense"))[-1][1]
    file = tmp_path / "dense.safetensors"
    safetensors.torch.save_file(dict(dense.weights), file)
    planned = toy_plan(tmp_path, timing="after", dense_weights=str(file))
    states = follow(planned)
    assert equal(states[0][1].weights, dense.weights)
    usual = follow(toy_plan(tmp_path, timing="after"))
    assert states[-1][1].mask == usual[-1][1].mask
    assert equal(states[-1][1].weights, usual[-1][1].weights)


def test_given_weights_are_checked(tmp_path):
    weights = dict(State.of(toy_plan(tmp_path).workspace.initial_model()).weights)
    file = tmp_path / "weights.safetensors"
    wrong = {
        "another network": {**weights, "more": torch.zeros(1)},
        r"is \(2,\)": {**weights, "denoiser.layers.0.bias": torch.zeros(2)},
    }
    for message, values in wrong.items():
        safetensors.torch.save_file(values, file)
        with pytest.raises(RequestError, match=message):
            toy_plan(tmp_path, timing="after", dense_weights=str(file))
    file.write_bytes(b"nothing")
    with pytest.raises(RequestError, match="cannot be read as a state dict"):
        toy_plan(tmp_path, timing="after", dense_weights=str(file))
    safetensors.torch.save_file(weights, file)
    with pytest.raises(RequestError, match="only timing 'after'"):
        toy_plan(tmp_path, dense_weights=str(file))
    weights["denoiser.layers.0.weight"][0] = 0
    safetensors.torch.save_file(weights, file)
    with pytest.raises(RequestError, match="pruned already"):
        toy_plan(tmp_path, timing="after", dense_weights=str(file))


def test_given_weights_are_told_apart(tmp_path):
    weights = State.of(toy_plan(tmp_path).workspace.initial_model()).weights
    file = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(dict(weights), file)
    given, usual = toy_plan(tmp_path, timing="after", dense_weights=str(file)), toy_plan(tmp_path, timing="after")
    assert "dense_weights" in dict(given.resolved.trial.options)
    assert given.folder != usual.folder
    control = toy_plan(tmp_path, timing="after", pruner="lottery", dense_weights=str(file), control="shuffle")
    states = {str(stage): state for stage, state in follow(control)}
    assert equal(states["rewind weights to step 12"].weights, weights)


def test_a_shuffled_ticket_of_kept_weights_is_made_of_the_dense_ones(tmp_path):
    """Else most of its weights would be zero: the rounds before have removed them."""
    planned = toy_plan(tmp_path, pruner="lottery", timing="after", control="shuffle")
    states = follow(planned)
    index = next(i for i, (stage, _) in enumerate(states) if isinstance(stage, Transform))
    dense, moved = states[0][1].weights, states[index][1]
    assert equal(moved.weights, dense)
    assert all((moved.weights[name][kept] != 0).all() for name, kept in moved.mask.items())


def test_a_recipe_that_misses_its_sparsity_leaves_a_failed_record(tmp_path):
    planned = toy_plan(tmp_path)
    short = replace(planned.resolved, stages=(replace(planned.resolved.stages[0], sparsity="0.5"), Train(0, 12)))
    record = run(replace(planned, resolved=short), False, lambda text: None)
    assert record.status == "failed"
    assert "keeps 144 of 288 weights; sparsity 0.9 asks for 29" in record.reason


def test_a_search_is_judged_at_the_weights_it_began_with(tmp_path):
    """Weights trained under the very mask that is judged would make any mask look good."""
    found = {}
    for timing in ("at-init", "while"):
        planned = toy_plan(tmp_path, pruner="pun", timing=timing, settings=("pruner.rate=1e-12", "train.steps=60"))
        state = State.of(planned.workspace.initial_model())
        _, cost = advance(state, planned.resolved.stages[0], planned.workspace, {}, NOWHERE)
        found[timing] = cost.findings
        assert cost.findings["failed"] == (cost.findings["hard_loss"] >= cost.findings["lowest_random_loss"])
    for name in ("unpruned_loss", "random_loss", "lowest_random_loss"):
        assert found["at-init"][name] == pytest.approx(found["while"][name], rel=1e-6)


@pytest.mark.parametrize("timing", ["at-init", "while"])
def test_a_score_that_spoils_its_model_spoils_nothing_else(tmp_path, override, timing):
    entry = pruners.get("snip")

    def spoiling(problem, batches=8):
        scores = entry.score(problem, batches)
        with torch.no_grad():
            for parameter in problem.model.parameters():
                parameter.mul_(2)
                parameter.grad = torch.ones_like(parameter)
        return scores

    def end():
        return follow(toy_plan(tmp_path, timing=timing))[-1][1]

    usual = end()
    override(pruners, replace(entry, score=spoiling))
    assert equal(end().weights, usual.weights)


def test_batches_of_the_second_set_come_after_the_first(tmp_path):
    workspace = toy_plan(tmp_path).workspace
    model = workspace.initial_model()
    problem = workspace.problem(model, State.of(model).mask, "test", "scoring")
    first = [batch.kspace for batch in problem.batches(2)]
    problem.use_next_batches()
    second = [batch.kspace for batch in problem.batches(2)]
    four = [workspace.data.batch(step, "scoring").kspace for step in range(4)]
    assert all(torch.equal(a, b) for a, b in zip([*first, *second], four, strict=True))


def test_weights_that_a_loss_is_not_given_are_masked(tmp_path):
    workspace = toy_plan(tmp_path).workspace
    model = workspace.initial_model()
    mask = Mask.from_scores({n: w.abs() for n, w in State.of(model).weights.items() if n in State.of(model).mask}, 29)
    problem = workspace.problem(model, mask, "test", "scoring")
    batch = next(problem.batches(1))
    name = next(iter(mask))
    assert torch.equal(problem.loss(batch), problem.loss(batch, {name: problem.weights[name] * mask[name]}))


def test_rounds_score_under_the_mask_found_so_far(tmp_path, override):
    kept = []
    entry = pruners.get("force")

    def watch(problem, batches=2):
        kept.append(problem.mask.kept)
        return entry.score(problem, batches)

    override(pruners, replace(entry, score=watch))
    planned = toy_plan(tmp_path, pruner="force", settings=("pruner.rounds=3",))
    stage = planned.resolved.stages[0]
    assert isinstance(stage, Prune)
    (_, state), *_ = follow(planned, [stage])
    assert state.mask.kept == 29
    assert kept[:3] == [288, round(288 ** (2 / 3) * 29 ** (1 / 3)), round(288 ** (1 / 3) * 29 ** (2 / 3))]


SPARSITY = "0.8"
ERK = (18, 22, 18)
"""58 weights by 4 + 2 + 3 + 3 : 4 + 4 + 3 + 3 : 2 + 4 + 3 + 3, rounded by largest remainder."""


def made_by(kind, scope, planned):
    """The mask of one stage that makes masks, on the untrained network."""
    steps = planned.workspace.training.steps
    plan = Plan(steps, SPARSITY, scope)
    stage = {
        "prune": Prune("snip", SPARSITY, scope, (("batches", 1),)),
        "prune in rounds": Prune("snip", SPARSITY, scope, (("batches", 1),), rounds=3),
        "search": LearnMask(SPARSITY, scope, 4),
        "joint search": LearnMask(SPARSITY, scope, 4, joint=True),
        "gradual": Train(0, steps, Gradual.over(plan, "magnitude", ())),
    }[kind]
    return follow(planned, (stage,))[-1][1].mask


@pytest.mark.parametrize("kind", ["prune", "prune in rounds", "search", "joint search", "gradual"])
@pytest.mark.parametrize("scope", SCOPES)
def test_every_stage_that_makes_a_mask_keeps_to_the_scope(tmp_path, kind, scope):
    """Counts of each layer are those of the scope's rule, by hand; a global competition gives others."""
    mask = made_by(kind, scope, toy_plan(tmp_path))
    sizes = {name: kept.numel() for name, kept in mask.items()}
    assert sizes == {"denoiser.layers.0.weight": 72, "denoiser.layers.2.weight": 144, "denoiser.layers.4.weight": 72}
    counts = tuple(int(kept.sum()) for kept in mask.values())
    assert sum(counts) == kept_count(288, SPARSITY) == 58
    even = {"layer-wise": (15, 29, 14), "erk": ERK}
    if scope == "global":
        assert counts not in even.values()
    elif kind == "prune in rounds" or kind == "gradual":
        assert all(abs(count - wanted) <= 1 for count, wanted in zip(counts, even[scope], strict=True))
    else:
        assert counts == even[scope]
