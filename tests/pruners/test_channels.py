"""Channels: which slices go together, which channels a selection removes, and what a network can do without."""

import copy
from itertools import product

import pytest
import torch
from torch import nn

from architectures import architectures, build
from pruners import Mask, pruners
from pruners.channels import Channels, Layer, Slices, removable
from pruners.coupling import NoChannelsError, coupled, has_channels
from pruners.gates import ChannelGates
from pruners.mask import growing_counts, round_counts
from registries import RequestError
from tests.pruners.toy import ChannelProblem

WITH_CHANNELS = [name for name in architectures.names() if name != "modl-didn"]
FIRST, SECOND, LAST = "0.0.weight", "0.3.weight", "0.5.weight"

GOLDEN = {
    "iter-snip-channel": "8a533e7bd84c2f5dbfd754094df91eb4a61c3dbe5683fac21fe21ef64a2cabe9",
    "magnitude-channel": "daa5587a73ffc77b36321a60cf8f88d445257a95b22d9e1ff92d15b4be030c40",
    "random-channel": "f56395cf4eab129f1abac1bff765aa2b2944d26210160a8f6e7667bb4771e28b",
    "snip-channel": "8a533e7bd84c2f5dbfd754094df91eb4a61c3dbe5683fac21fe21ef64a2cabe9",
    "taylor-channel": "8a533e7bd84c2f5dbfd754094df91eb4a61c3dbe5683fac21fe21ef64a2cabe9",
}
"""Masks of at most 90 weights on the toy; a change of an entry's output needs a new version and a new line."""


@pytest.fixture
def problem():
    return ChannelProblem()


def unet():
    model = build("modl-unet", "toy", torch.Generator().manual_seed(0))
    weights = {name: part.weight.detach() for name, part in model.prunable().items()}
    return model, weights, coupled(model.networks(), weights)


def test_a_chain_has_the_channels_between_its_layers(problem):
    channels = problem.channels()
    assert dict(channels) == {
        FIRST: Layer((Slices(FIRST, 0, (0, 1, 2)),), (Slices(SECOND, 1, (0, 1, 2)),)),
        SECOND: Layer((Slices(SECOND, 0, (0, 1, 2, 3)),), (Slices(LAST, 1, (0, 1, 2, 3)),)),
    }
    assert channels.total == 7
    assert channels.weights == 54 + 108 + 8


def test_a_mask_removes_filters_and_what_reads_them(problem):
    kept = {FIRST: torch.tensor([True, False, True]), SECOND: torch.tensor([False, True, True, False])}
    mask = problem.channels().mask(kept)
    assert mask[FIRST].sum() == 2 * 18
    assert not mask[FIRST][1].any()
    assert mask[SECOND].sum() == 2 * 2 * 9
    assert not mask[SECOND][:, 1].any()
    assert not mask[SECOND][0].any()
    assert mask[LAST].flatten(1).tolist() == [[False, True, True, False]] * 2
    found = problem.channels().kept(mask)
    assert all(torch.equal(found[name], kept[name]) for name in kept)


def test_a_skip_connection_is_read_twice():
    _, weights, channels = unet()
    layer = channels["denoiser.network.down_sample_layers.0.layers.4.weight"]
    assert [(s.weight, s.places[0]) for s in layer.reads] == [
        ("denoiser.network.down_sample_layers.1.layers.0.weight", 0),
        ("denoiser.network.up_conv.1.0.layers.0.weight", 4),
    ]
    up = channels["denoiser.network.up_transpose_conv.1.layers.0.weight"]
    assert up.makes[0].axis == 1
    assert [(s.weight, s.axis, s.places[0]) for s in up.reads] == [
        ("denoiser.network.up_conv.1.0.layers.0.weight", 1, 0)
    ]
    assert not any("up_conv.1.1" in name for name in channels)  # the output
    assert set(weights) - set(channels) == {"denoiser.network.up_conv.1.1.weight"}


def test_a_network_that_mixes_channels_is_refused_for_whole_ones():
    model = build("modl-didn", "toy", torch.Generator().manual_seed(0))
    assert not has_channels(model.networks())
    with pytest.raises(
        NoChannelsError, match="'denoiser' turns channels into pixels by pixel shuffles: its channels cannot be"
    ):
        coupled(model.networks(), {n: part.weight for n, part in model.prunable().items()})
    others = [build(name, "toy", torch.Generator().manual_seed(0)) for name in WITH_CHANNELS]
    assert all(has_channels(other.networks()) for other in others)


@pytest.mark.parametrize("name", WITH_CHANNELS)
def test_removed_channels_do_not_reach_the_output(name):
    """Noise in the filters that a mask removed changes nothing."""
    model = build(name, "toy", torch.Generator().manual_seed(0)).eval()
    weights = {n: part.weight.detach() for n, part in model.prunable().items()}
    channels = coupled(model.networks(), weights)
    draw = torch.Generator().manual_seed(1)
    mask = channels.select(channels.random_scores(draw), Mask.full(weights).total // 2, "global", Mask.full(weights))
    gone = {layer: ~flags for layer, flags in channels.kept(mask).items()}
    assert any(flags.any() for flags in gone.values())
    mask.apply_({n: model.get_parameter(n).data for n in mask})
    noisy = copy.deepcopy(model)
    read = channels.factors({layer: (~flags).float() for layer, flags in gone.items()}, ("reads",))
    with torch.no_grad():
        for n in channels:
            made = channels.factors({layer: flags.float() for layer, flags in gone.items()}, ("makes",))[n]
            value = noisy.get_parameter(n)
            value.copy_(value + made * read[n] * torch.randn(value.shape, generator=draw))
    for part in model.networks():
        image = torch.randn(1, 2, 32, 32, generator=draw)
        with torch.no_grad():
            a, b = model.get_submodule(part)(image), noisy.get_submodule(part)(image)
        assert torch.allclose(a, b, atol=1e-6)
        assert a.abs().max() > 1e-3


def test_a_selection_is_the_longest_row_of_best_channels_that_fits(problem):
    channels, full = problem.channels(), Mask.full(problem.weights)
    scores = {FIRST: torch.tensor([3.0, 1.0, 2.0]), SECOND: torch.tensor([0.1, 0.3, 0.2, 0.1])}
    order = [(FIRST, 0), (SECOND, 1), (FIRST, 2), (FIRST, 1), (SECOND, 2), (SECOND, 0), (SECOND, 3)]
    for keep in range(channels.fewest_weights, full.total + 1):
        mask = channels.select(scores, keep, "global", full)
        sizes = []
        for number in range(2, 8):
            flags = {name: torch.zeros(len(scores[name]), dtype=torch.bool) for name in scores}
            for name, index in order[:number]:
                flags[name][index] = True
            sizes.append((channels.mask(flags).kept, channels.mask(flags)))
        assert mask == max((size, m.sha256, m) for size, m in sizes if size <= keep)[2]
    with pytest.raises(ValueError, match="one channel in each layer takes 29 weights, more than 28"):
        channels.select(scores, 28, "global", full)


def test_layer_wise_competition_takes_the_same_share_of_each_layer():
    _, weights, channels = unet()
    scores = {name: torch.rand(layer.size) * (1 + index) for index, (name, layer) in enumerate(channels.items())}
    full = Mask.full(weights)
    for scope, even in (("layer-wise", True), ("global", False)):
        kept = channels.kept(channels.select(scores, full.total // 4, scope, full))
        shares = [float(flags.float().mean()) for flags in kept.values()]
        assert (max(shares) - min(shares) <= 0.26) == even


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scores: scores.pop(FIRST), "different layers"),
        (lambda scores: scores.update({FIRST: torch.zeros(4)}), "shape"),
        (lambda scores: scores.update({FIRST: torch.tensor([0.0, torch.nan, 1.0])}), "finite"),
    ],
)
def test_wrong_scores_are_refused(problem, change, message):
    scores = {FIRST: torch.zeros(3), SECOND: torch.zeros(4)}
    change(scores)
    with pytest.raises(ValueError, match=message):
        problem.channels().select(scores, 100, "global", Mask.full(problem.weights))


def test_erk_is_for_single_weights(problem):
    with pytest.raises(ValueError, match="global or layer-wise"):
        problem.channels().select({FIRST: torch.zeros(3)}, 100, "erk", Mask.full(problem.weights))


class Gate(nn.Module):
    """Multiplies channels."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def forward(self, image):
        return image * self.values[None, :, None, None]


def gate_slopes(problem, batch):
    """∂L/∂c of gates after the activations, by finite differences."""
    step, found = 1e-6, {FIRST: torch.zeros(3).double(), SECOND: torch.zeros(4).double()}
    for name, place in ((FIRST, 3), (SECOND, 5)):
        for index in range(len(found[name])):
            losses = []
            for sign in (1, -1):
                values = torch.ones(len(found[name])).double()
                values[index] += sign * step
                modules = list(problem.cnn)
                gated = nn.Sequential(*modules[:place], Gate(values), *modules[place:])
                losses.append((gated(batch[0]) - batch[1]).square().mean().item())
            found[name][index] = (losses[0] - losses[1]) / (2 * step)
    return found


def test_snip_of_channels_is_the_slope_of_a_gate(problem):
    slopes = [gate_slopes(problem, batch) for batch in problem.batches(3)]
    found = pruners.get("snip-channel").score(problem, batches=3)
    again = pruners.get("iter-snip-channel").score(problem, batches=3)
    for name in found:
        expected = sum(slope[name] for slope in slopes).abs()
        assert torch.allclose(found[name], expected, rtol=1e-5)
        assert torch.equal(found[name], again[name])


def test_the_filters_before_a_norm_have_no_slope(problem):
    """Why a gate is read off what reads a channel: a norm takes the scale of its filter out."""
    leaves = {name: weight.clone().requires_grad_() for name, weight in problem.weights.items()}
    gradients = torch.autograd.grad(problem.loss(next(problem.batches(1)), leaves), list(leaves.values()))
    products = {n: w.detach() * g for (n, w), g in zip(leaves.items(), gradients, strict=True)}
    made, read = (problem.channels().sums(products, (side,))[FIRST].abs() for side in ("makes", "reads"))
    assert (made < 1e-4 * read).all()


def test_taylor_squares_batch_by_batch(problem):
    slopes = [gate_slopes(problem, batch) for batch in problem.batches(3)]
    found = pruners.get("taylor-channel").score(problem, batches=3)
    for name in found:
        expected = sum(slope[name] ** 2 for slope in slopes) / 3
        assert torch.allclose(found[name], expected, rtol=1e-4)


@pytest.mark.parametrize(("norm", "power"), [("l1", 1), ("l2", 2)])
def test_magnitude_of_channels_is_a_mean_over_filter_and_readers(problem, norm, power):
    problem.mask = problem.channels().mask({FIRST: torch.tensor([True, True, False]), SECOND: torch.ones(4) > 0})
    found = pruners.get("magnitude-channel").score(problem, norm=norm)
    first, second = problem.weights[FIRST], problem.weights[SECOND]
    for index in (0, 1):
        together = torch.cat([first[index].flatten(), second[:, index].flatten()]).abs() ** power
        assert found[FIRST][index] == pytest.approx(float(together.mean() ** (1 / power)))
    assert found[FIRST][2] == 0
    assert pruners.get("magnitude-channel").choices == {"norm": ("l1", "l2")}


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_masks(problem, name):
    scores = pruners.get(name).score(problem)
    mask = problem.channels().select(scores, 90, "global", Mask.full(problem.weights))
    assert mask.sha256 == GOLDEN[name]


def test_random_scores_come_from_the_generator():
    first, second, other = (pruners.get("random-channel").score(ChannelProblem(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_rounds_that_grow():
    assert growing_counts(100, 40, 3) == (90, 70, 40)
    steps = [a - b for a, b in zip((1000, *growing_counts(1000, 100, 10)), growing_counts(1000, 100, 10), strict=False)]
    assert steps == sorted(steps)
    assert sum(steps) == 900
    falling = [a - b for a, b in zip((1000, *round_counts(1000, 100, 10)), round_counts(1000, 100, 10), strict=False)]
    assert falling == sorted(falling, reverse=True)


def test_a_gate_acts_once_and_closes_like_a_mask(problem):
    """With gates of 0 and 1 a network gives what it gives under the mask; in between a gate scales its channel."""
    channels, image = problem.channels(), next(problem.batches(1))[0]
    gates = ChannelGates(channels, problem.mask)

    def output(factors):
        used = {name: weight * factors[name] for name, weight in problem.weights.items()}
        return torch.func.functional_call(problem.model, used, (image,))

    flags = {FIRST: torch.tensor([1.0, 0.0, 1.0]), SECOND: torch.tensor([1.0, 1.0, 0.0, 1.0])}
    mask = channels.mask({name: value > 0 for name, value in flags.items()})
    assert torch.allclose(output(gates.factors(flags)), output(mask))
    half = {FIRST: torch.tensor([0.5, 1.0, 1.0]), SECOND: torch.ones(4)}
    modules = list(problem.cnn)
    scaled = nn.Sequential(*modules[:3], Gate(half[FIRST].double()), *modules[3:])
    assert torch.allclose(output(gates.factors(half)), scaled(image))


def test_the_density_of_gates_follows_the_weights(problem):
    gates = ChannelGates(problem.channels(), problem.mask)
    assert gates.density("0") == 1
    assert gates.density("0.5") == pytest.approx(4 / 7)  # 85 of 170 weights: 2 and 3 channels take 96, 2 and 2 take 76
    _, weights, channels = unet()
    found = ChannelGates(channels, Mask.full(weights)).density("0.9")
    assert 0.28 < found < 0.36  # about the root of a tenth


def test_shuffled_channels_keep_the_number_in_each_layer():
    _, weights, channels = unet()
    full = Mask.full(weights)
    draw = torch.Generator().manual_seed(3)
    mask = channels.select(channels.random_scores(draw), full.total // 5, "global", full)
    moved = channels.shuffled(mask, draw)
    assert moved != mask
    assert moved.kept == mask.kept
    before, after = channels.kept(mask), channels.kept(moved)
    assert all(int(before[name].sum()) == int(after[name].sum()) for name in before)


def test_what_a_network_can_do_without(problem):
    """Unread channels go, silent ones without bias go, silent ones with a bias stay; and what only they read goes."""
    channels = problem.channels()
    weights = {name: weight.clone() for name, weight in problem.weights.items()}
    weights[LAST][:, 2] = 0  # channel 2 of the second layer is read by nobody
    weights[SECOND][3] = 0  # channel 3 is its bias, everywhere
    weights[FIRST][1] = 0  # channel 1 of the first layer is zero
    weights[SECOND][(0, 1, 3), 2] = 0  # and channel 2 is read by channel 2 alone, which goes
    found = removable(channels, weights, biased=(SECOND, LAST))
    assert found[FIRST].tolist() == [False, True, True]
    assert found[SECOND].tolist() == [False, False, True, False]
    image = next(problem.batches(1))[0]
    kept = channels.mask({name: ~flags for name, flags in found.items()})
    before = torch.func.functional_call(problem.model, weights, (image,))
    after = torch.func.functional_call(problem.model, {n: w * kept[n] for n, w in weights.items()}, (image,))
    assert torch.allclose(before, after)


def test_channels_that_a_mask_removed_can_all_go():
    _, weights, channels = unet()
    full = Mask.full(weights)
    mask = channels.select(channels.random_scores(torch.Generator().manual_seed(0)), full.total // 5, "global", full)
    found = removable(channels, {name: weight * mask[name] for name, weight in weights.items()})
    kept = channels.kept(mask)
    assert all(torch.equal(found[name], ~kept[name]) for name in channels)


def test_every_subset_of_a_small_chain_is_recognised(problem):
    channels = problem.channels()
    for first, second in product(product([True, False], repeat=3), product([True, False], repeat=4)):
        if not (any(first) and any(second)):
            continue
        kept = {FIRST: torch.tensor(first), SECOND: torch.tensor(second)}
        assert all(torch.equal(flags, kept[name]) for name, flags in channels.kept(channels.mask(kept)).items())


def test_a_missing_library_is_said_in_one_line(monkeypatch, problem):
    monkeypatch.setattr("pruners.coupling.find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"pip install -e '\.\[structured\]'"):
        problem.channels()


def test_networks_without_prunable_weights_have_no_channels(problem):
    assert isinstance(coupled({"elsewhere": problem.cnn}, problem.weights), Channels)
    assert len(coupled({"elsewhere": problem.cnn}, problem.weights)) == 0


class Skipping(nn.Module):
    """y + c(b(y)): the output channels of the first layer are read inside, too."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(2, 2, 3, padding=1)
        self.b = nn.Conv2d(2, 5, 3, padding=1)
        self.c = nn.Conv2d(5, 2, 3, padding=1)

    def forward(self, image):
        first = self.a(image)
        return first + self.c(torch.relu(self.b(first)))


def test_outputs_that_are_read_inside_stay():
    network = Skipping()
    weights = {f"n.{name}": value for name, value in network.named_parameters() if name.endswith("weight")}
    assert list(coupled({"n": network}, weights)) == ["n.b.weight"]


class Adding(nn.Module):
    """Two layers that make the same channels together."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(2, 4, 1, bias=False)
        self.b = nn.Conv2d(2, 4, 1)
        self.c = nn.Conv2d(4, 2, 1)

    def forward(self, image):
        return self.c(self.a(image) + self.b(image))


def test_a_bias_of_any_layer_that_makes_a_channel_counts():
    network = Adding()
    weights = {f"n.{name}": value.detach() for name, value in network.named_parameters() if name.endswith("weight")}
    channels = coupled({"n": network}, weights)
    (layer,) = channels.values()
    assert {made.weight for made in layer.makes} == {"n.a.weight", "n.b.weight"}
    empty = {**weights, "n.a.weight": 0 * weights["n.a.weight"], "n.b.weight": 0 * weights["n.b.weight"]}
    assert not any(flags.any() for flags in removable(channels, empty, biased=["n.b.weight"]).values())
    assert all(flags.all() for flags in removable(channels, empty).values())
