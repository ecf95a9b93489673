"""Scores against formulas, hand-computed numbers and finite differences; and each planted bug is noticed."""

import importlib
import inspect
from typing import Any

import pytest
import torch
from torch import nn

from architectures import build
from pruners import Mask, pruner, pruners
from pruners.mask import round_counts
from registries import RequestError
from tests.pruners import test_channels
from tests.pruners.toy import FormulaProblem, NetworkProblem, ToyProblem

GOLDEN = {
    "force": "f17a9aba5af0ce6036738166be10ed26a6667b72e4b965f957f242af8c3c7150",
    "grasp": "2a220bf4c3048b7b81ab6aeaf2613e686f7743b2a5fd4727101d4a888c55d36a",
    "grasp-abs": "800cb12bc25a27fdf99c441bb289355b377e182b7ad2369541df68f9325d393b",
    "iter-snip": "f17a9aba5af0ce6036738166be10ed26a6667b72e4b965f957f242af8c3c7150",
    "magnitude": "f4b9baf2e14e68fafe50ab9586e057b5382589f8d4f2e97534dc694289a9c2ad",
    "random": "4f5504307e93dac7d8273277e6ed72b7afa18ce72e1ae4b3452a13935cd784da",
    "snip": "5f85bed545fe0d5ecd82e1700fadbe22c38f6704af0f32eefab1615892b3ee9e",
    "synflow": "ec96da71a9d553a76070e07a5c0708c76b1e042f0b932c2266fd74e656786915",
}
"""Masks of 12 (SynFlow: 3) weights on the toy; a change of an entry's output needs a new version and a new line."""

CHAIN = BIASED = NetworkProblem([[1.0, -2.0], [3.0, 0.5]], [[2.0, -1.0], [0.0, 4.0]])


@pytest.fixture
def problem():
    return ToyProblem()


def gradient_at(problem, weights, batches):
    """∂ΣL/∂θ of the curved loss, by autograd of first order alone."""
    leaves = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    total = sum(problem.curved_loss(batch, leaves) for batch in problem.batches(batches))
    return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))


def expected_snip(problem, batches=3):
    """|∂L(c ⊙ θ)/∂c| at c = 1 (Lee et al. 2019), by finite differences of the gates."""
    step, found = 1e-6, {}
    for name, weight in problem.weights.items():
        values = torch.zeros_like(weight)
        for index in range(weight.numel()):
            losses = []
            for sign in (1, -1):
                gated = {n: w.clone() for n, w in problem.weights.items()}
                gated[name].view(-1)[index] *= 1 + sign * step
                losses.append(sum(problem.loss(batch, gated) for batch in problem.batches(batches)))
            values.view(-1)[index] = abs(losses[0] - losses[1]) / (2 * step)
        found[name] = values
    return found


def expected_grasp(problem, batches=3):
    """θ ⊙ Hg with Hg = (g(θ + h g) − g(θ − h g)) / 2h."""
    step = 1e-6
    weights = dict(problem.weights)
    gradient = gradient_at(problem, weights, batches)
    after = gradient_at(problem, {n: w + step * gradient[n] for n, w in weights.items()}, batches)
    before = gradient_at(problem, {n: w - step * gradient[n] for n, w in weights.items()}, batches)
    return {name: weight * (after[name] - before[name]) / (2 * step) for name, weight in weights.items()}


EXPECTED = {
    "snip": expected_snip,
    "iter-snip": expected_snip,
    "force": expected_snip,
    "grasp": expected_grasp,
    "grasp-abs": lambda problem: {name: score.abs() for name, score in expected_grasp(problem).items()},
}


def agree(found, expected):
    return found.keys() == expected.keys() and all(
        torch.allclose(found[name], expected[name], rtol=1e-5, atol=1e-7) for name in expected
    )


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_scores_equal_independent_formulas(problem, name):
    found = pruners.get(name).score(problem, batches=3)
    expected = EXPECTED[name](problem)
    assert agree(found, expected)


BUGS = {
    "snip": [
        ("(weight.detach() * gradients[name]).abs()", bug)
        for bug in (
            "weight.detach() * gradients[name]",
            "gradients[name].abs()",
            "(weight.detach() * gradients[min(gradients)].mean()).abs()",
        )
    ],
    "force": [
        ("(weight.detach() * gradients[name]).abs()", bug)
        for bug in (
            "-(weight.detach() * gradients[name]).abs()",
            "gradients[name].abs()",
            "(weight.detach() * gradients[min(gradients)].mean()).abs()",
        )
    ],
    "iter_snip": [("snip(problem, batches)", "snip(problem, 1)")],
    "grasp": [
        ("leaf.detach() * part.detach()", "-leaf.detach() * part.detach()"),
        ("leaf.detach() * part.detach()", "part.detach()"),
        (
            "zip(names, leaves, product, strict=True)",
            "zip(names, leaves, [p.mean() for p in product[::-1]], strict=True)",
        ),
        ("(part * g).sum()", "part.sum()"),
    ],
    "grasp_abs": [("score.abs()", "score")],
    "synflow": [
        ("weights[name].detach() * slope", "slope"),
        ("* slope / total", "* slope"),
        (".double().abs()", ".double()"),
        ("parameter.zero_()", "parameter.abs_()"),
        ("nn.modules.batchnorm._NormBase | ", ""),
    ],
    "magnitude": [("weight.detach().abs()", "weight.detach()")],
}


BELOW = {"synflow": ("pruners.paths",)}
"""Modules that are a part of a score's formula."""


@pytest.mark.parametrize(("module", "right", "wrong"), [(m, *bug) for m, bugs in BUGS.items() for bug in bugs])
def test_a_bug_planted_in_a_score_is_noticed(problem, module, right, wrong):
    """The module's source, with one piece of it replaced, gives other scores than the formula."""
    modules = [importlib.import_module(name) for name in (*BELOW.get(module, ()), f"pruners.methods.{module}")]
    source = "\n".join(inspect.getsource(module) for module in modules)
    assert right in source
    name = module.replace("_", "-")
    for code, same in ((source, True), (source.replace(right, wrong), False)):
        scope: dict[str, Any] = {}
        whole = code.replace("from pruners.paths import linearised\n", "")  # it stands above
        unregistered = whole.replace(
            "from pruners.contract import pruner", "pruner = lambda **entry: lambda code: code"
        )
        exec(compile(unregistered, module, "exec"), scope)
        if name == "synflow":
            found, expected = scope[module](BIASED, pixels=4), pruners.get(name).score(BIASED, pixels=4)
        elif name == "magnitude":
            found, expected = scope[module](problem), {n: w.abs() for n, w in problem.weights.items()}
        else:
            found, expected = scope[module](problem, batches=3), EXPECTED[name](problem)
        assert agree(found, expected) == same


def coupled(weights):
    """½ · 3a² + ab: g = (3a + b, a), H = ((3, 1), (1, 0))."""
    a, b = weights["w"]
    return 1.5 * a**2 + a * b


def test_snip_by_hand():
    found = pruners.get("snip").score(FormulaProblem(coupled, {"w": [1.0, -1.0]}), batches=1)
    assert found["w"].tolist() == [2.0, 1.0]  # |1 · (3 − 1)|, |−1 · 1|


def test_grasp_by_hand():
    """g = (2, 1), Hg = (7, 2): without b the squared gradient norm rises from 5 to 10, so b is the one to remove."""
    found = pruners.get("grasp").score(FormulaProblem(coupled, {"w": [1.0, -1.0]}), batches=1)
    assert found["w"].tolist() == [7.0, -2.0]
    assert Mask.from_scores(found, 1)["w"].tolist() == [True, False]


def test_force_judges_a_pruned_weight_by_the_value_it_had():
    """At a = 1, b pruned: g = (3, 1); SNIP gives b nothing, FORCE |−1 · 1|."""
    problem = FormulaProblem(coupled, {"w": [1.0, -1.0]}, mask={"w": [True, False]})
    assert pruners.get("force").score(problem, batches=1)["w"].tolist() == [3.0, 1.0]
    assert pruners.get("snip").score(problem, batches=1)["w"].tolist() == [3.0, 0.0]


def test_shared_weights_sum_their_gradients_over_unrolls():
    """x ← w x twice from x = 1, L = ½ x²: dL/dw = 2 w³."""
    problem = FormulaProblem(lambda weights: 0.5 * (weights["w"] * weights["w"]).square().sum(), {"w": [3.0]})
    assert pruners.get("snip").score(problem, batches=1)["w"].tolist() == [3 * 2 * 27.0]


def test_synflow_by_hand():
    """R = 1ᵀ|W₂||W₁|1 per pixel: a weight's score is the flow through it, over R."""
    found = pruners.get("synflow").score(CHAIN, pixels=4)
    into, out_of = torch.tensor([3.0, 3.5]), torch.tensor([2.0, 5.0])
    flow = (into * out_of).sum()
    first = torch.tensor([[1.0, 2.0], [3.0, 0.5]]) * out_of[:, None] / flow
    second = torch.tensor([[2.0, 1.0], [0.0, 4.0]]) * into / flow
    assert torch.allclose(found["0.0.weight"][..., 0, 0], first.double())
    assert torch.allclose(found["0.3.weight"][..., 0, 0], second.double())
    assert float(sum(found["0.0.weight"].flatten())) == pytest.approx(1)


def test_synflow_leaves_the_network_alone():
    before = {name: value.clone() for name, value in CHAIN.model.state_dict().items()}
    pruners.get("synflow").score(CHAIN)
    assert all(torch.equal(before[name], value) for name, value in CHAIN.model.state_dict().items())
    assert any(isinstance(module, nn.InstanceNorm2d) for module in CHAIN.model.modules())


def test_synflow_never_empties_a_layer_before_it_must():
    """Tanaka et al. 2020, theorem 3: as long as a path fits, a path is left."""
    draw = torch.Generator().manual_seed(1)
    wide = NetworkProblem(
        torch.randn(40, 2, generator=draw).tolist(), (0.01 * torch.randn(2, 40, generator=draw)).tolist()
    )
    for keep in (60, 10, 2):
        mask = Mask.full(wide.weights)
        for count in round_counts(mask.kept, keep, 100):
            wide.mask = mask
            mask = Mask.from_scores(pruners.get("synflow").score(wide), count, within=mask)
        wide.mask = Mask.full(wide.weights)
        assert all(int(kept.sum()) > 0 for kept in mask.values())
        assert mask.kept == keep


def make_modl_problem():
    """A toy MoDL in float64 with a smooth activation, twelve conjugate-gradient steps, on data of its own."""
    model: Any = build("modl", "toy", torch.Generator().manual_seed(0)).double()
    model.iterations = 12
    for index, module in enumerate(model.denoiser.layers):
        if isinstance(module, nn.ReLU):
            model.denoiser.layers[index] = nn.Softplus()
    draw = torch.Generator().manual_seed(1)
    maps = torch.randn(1, 3, 8, 6, dtype=torch.complex128, generator=draw)
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    mask = torch.rand(1, 1, 1, 6, generator=draw) < 0.6
    target = torch.rand(1, 8, 6, generator=draw, dtype=torch.float64)
    data = [torch.randn(1, 3, 8, 6, dtype=torch.complex128, generator=draw) * mask for _ in range(3)]

    class Problem(ToyProblem):
        def __init__(self):
            self.model = model
            self.weights = {name: part.weight.detach() for name, part in model.prunable().items()}
            self.mask = Mask.full(self.weights)
            self.generator = draw

        def batches(self, number):
            return iter(data[:number])

        def loss(self, batch, weights=None):
            image = torch.func.functional_call(model, dict(weights), (batch, mask, maps))
            return ((image.square() + 1e-6).sqrt() - target).square().mean()

    return Problem()


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_scores_through_modl_with_conjugate_gradients(name):
    problem = make_modl_problem()
    found = pruners.get(name).score(problem, batches=3)
    expected = EXPECTED[name](problem)
    for weight in found:
        scale = expected[weight].abs().max()
        assert (found[weight] - expected[weight]).abs().max() < 1e-4 * scale, weight


def test_snip_scores_pruned_weights_zero(problem):
    problem.mask = Mask({n: torch.rand(w.shape, generator=problem.generator) < 0.5 for n, w in problem.weights.items()})
    found = pruners.get("snip").score(problem)
    assert all((found[name][~problem.mask[name]] == 0).all() for name in found)
    assert any((found[name] > 0).any() for name in found)


@pytest.mark.parametrize("name", ["snip", "grasp", "force"])
def test_scores_leave_the_model_alone(problem, name):
    before = {name: value.clone() for name, value in problem.model.state_dict().items()}
    pruners.get(name).score(problem)
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
    given, keep = (CHAIN, 3) if name == "synflow" else (problem, 12)
    assert Mask.from_scores(pruners.get(name).score(given), keep).sha256 == GOLDEN[name]


def test_every_score_has_a_golden_mask():
    built_in = {entry.name for entry in pruners if entry.score and entry.identity.origin == "built-in"}
    assert set(GOLDEN) | set(test_channels.GOLDEN) == built_in


def test_unknown_timings_are_refused():
    with pytest.raises(RequestError, match="unknown timings"):

        @pruner(timings=("sometime",), version=1, source="here")
        def mine(problem):
            """Mine."""
