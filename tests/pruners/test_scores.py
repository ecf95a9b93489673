import pytest
import torch

from pruners import Mask, Plan, Prune, Train, pruners
from registries import RequestError
from tests.pruners.toy import ToyProblem

GOLDEN = {
    "magnitude": "f4b9baf2e14e68fafe50ab9586e057b5382589f8d4f2e97534dc694289a9c2ad",
    "random": "4f5504307e93dac7d8273277e6ed72b7afa18ce72e1ae4b3452a13935cd784da",
    "snip": "5f85bed545fe0d5ecd82e1700fadbe22c38f6704af0f32eefab1615892b3ee9e",
}
"""Masks of 12 kept weights on the toy; a change of an entry's output needs a new version, and a new line here."""


@pytest.fixture
def problem():
    return ToyProblem()


def test_snip_is_the_sensitivity_to_a_gate_on_each_weight(problem):
    """Lee et al. 2019: |∂L(c ⊙ θ)/∂c| at c = 1, here by finite differences of the gates."""
    found = pruners.get("snip").score(problem, batches=3)
    step = 1e-6
    for name, weight in problem.weights.items():
        for index in range(weight.numel()):
            losses = []
            for sign in (1, -1):
                gated = {n: w.clone() for n, w in problem.weights.items()}
                gated[name].view(-1)[index] *= 1 + sign * step
                losses.append(sum(problem.loss(batch, gated) for batch in problem.batches(3)))
            expected = abs(losses[0] - losses[1]) / (2 * step)
            assert torch.allclose(found[name].view(-1)[index], expected, rtol=1e-5, atol=1e-8)


def test_snip_scores_pruned_weights_zero(problem):
    problem.mask = Mask({n: torch.rand(w.shape, generator=problem.generator) < 0.5 for n, w in problem.weights.items()})
    found = pruners.get("snip").score(problem)
    assert all((found[name][~problem.mask[name]] == 0).all() for name in found)
    assert any((found[name] > 0).any() for name in found)


def test_snip_leaves_the_model_alone(problem):
    before = {name: value.clone() for name, value in problem.model.state_dict().items()}
    pruners.get("snip").score(problem)
    assert all(torch.equal(before[name], value) for name, value in problem.model.state_dict().items())
    assert all(parameter.grad is None for parameter in problem.model.parameters())


def test_magnitude_is_the_absolute_value(problem):
    found = pruners.get("magnitude").score(problem)
    assert all(torch.equal(found[name], weight.abs()) for name, weight in problem.weights.items())


def test_random_comes_from_the_generator_of_the_problem():
    first, second, other = (pruners.get("random").score(ToyProblem(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_masks(name, problem):
    mask = Mask.from_scores(pruners.get(name).score(problem), 12)
    assert mask.sha256 == GOLDEN[name]


def test_every_score_has_a_golden_mask():
    assert set(GOLDEN) == {entry.name for entry in pruners if entry.score}


def test_at_init_prunes_and_trains_once():
    stages = pruners.get("snip").recipe("at-init", Plan(100, "0.9", "erk"), batches=2)
    assert stages == (Prune("snip", "0.9", "erk", (("batches", 2),)), Train(0, 100))


def test_dense_trains_once():
    assert pruners.get("dense").recipe(None, Plan(100, "0")) == (Train(0, 100),)


def test_entries_declare_what_their_masks_see():
    seen = {entry.name: entry.seen("at-init") for entry in pruners}
    assert seen == {"dense": "nothing", "magnitude": "nothing", "random": "nothing", "snip": "data"}


def test_unknown_timings_are_refused():
    from pruners import pruner

    with pytest.raises(RequestError, match="unknown timings"):

        @pruner(timings=("sometime",), version=1, source="here")
        def mine(problem):
            """Mine."""
