"""Where networks start: declared, drawn from the generator alone, chosen by name."""

import math

import pytest
import torch
from torch import nn

from architectures import Architecture, Variant, architecture, architectures, build
from architectures.contract import ArchitectureEntry, build_entry
from architectures.initialisation import INITIALISATIONS
from architectures.models.modl import ChangeOf, ConvolutionalDenoiser, MoDL
from architectures.width import count_parameters, narrowed
from registries import Identity, RequestError


def made(name="modl-unet", init=None, seed=0, **options):
    variant = Variant(init, tuple(sorted(options.items())))
    return build(name, "demo", torch.Generator().manual_seed(seed), variant=variant)


def values(model):
    return torch.cat([part.weight.detach().flatten() for part in model.prunable().values()])


def biases(model):
    return torch.cat([m.bias.detach() for m in model.modules() if isinstance(m, nn.Conv2d) and m.bias is not None])


def test_normal_has_its_deviation_and_no_biases():
    found = values(made(init="normal-0.02"))
    assert len(found) > 50_000
    assert float(found.std()) == pytest.approx(0.02, rel=0.01)
    assert abs(float(found.mean())) < 4 * 0.02 / math.sqrt(len(found))
    assert not biases(made(init="normal-0.02")).any()


def test_torch_is_the_rule_of_torch():
    """Within ±1/√fan_in and up to it, layer by layer, biases too."""
    model = made(init="torch")
    assert biases(model).any()
    for part in model.prunable().values():
        bound = 1 / math.sqrt(part.weight[0].numel())
        largest = float(part.weight.detach().abs().max())
        assert 0.9 * bound < largest <= bound


@pytest.mark.parametrize("init", INITIALISATIONS)
def test_a_start_is_a_function_of_the_generator_alone(init):
    torch.manual_seed(1)
    first = values(made(init=init))
    state = torch.get_rng_state()
    again, other = values(made(init=init)), values(made(init=init, seed=1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_start_of_its_own_is_kept():
    """A plug-in's constructor may draw as it likes; nothing is drawn anew."""

    def construct():
        model = MoDL(ConvolutionalDenoiser(4, 3), 2, 2)
        nn.init.constant_(model.denoiser.layers[0].weight, 0.125)
        return model

    entry = ArchitectureEntry("mine", "", "", "", (), {"toy": {}}, Identity("mine", 1, "built-in"), construct, "own")
    model = build_entry(entry, "toy", torch.Generator().manual_seed(0))
    assert (model.denoiser.layers[0].weight == 0.125).all()
    assert len(model.denoiser.layers[2].weight.unique()) > 100


def test_everything_that_a_constructor_draws_follows_the_generator():
    """Also what is no convolution, whatever was drawn in this process before."""

    def construct():
        model = MoDL(ConvolutionalDenoiser(4, 3), 2, 2)
        model.offset = nn.Parameter(torch.randn(3))
        return model

    entry = ArchitectureEntry("mine", "", "", "", (), {"toy": {}}, Identity("mine", 1, "built-in"), construct)
    offsets = []
    for before, seed in ((1, 0), (2, 0), (1, 5)):
        torch.manual_seed(before)
        offsets.append(build_entry(entry, "toy", torch.Generator().manual_seed(seed)).get_parameter("offset"))
    assert torch.equal(offsets[0], offsets[1])
    assert not torch.equal(offsets[0], offsets[2])


def test_a_narrow_network_has_the_options_of_the_whole_one():
    def construct(channels: float, depth: int = 3) -> MoDL:
        return MoDL(ConvolutionalDenoiser(channels, depth), 2, 2)

    entry = ArchitectureEntry(
        "mine", "", "", "", (), {"toy": {"channels": 64}}, Identity("mine", 1, "x"), construct, options={"depth": 3}
    )
    deep = Variant(options=(("depth", 5),))
    wanted = count_parameters(entry, "toy", variant=deep) // 4
    width = narrowed(entry, "toy", wanted, deep)
    assert 0.95 * wanted <= count_parameters(entry, "toy", width, deep) <= wanted
    assert count_parameters(entry, "toy", width) < 0.95 * wanted


def test_an_unknown_start_is_refused_where_it_is_declared():
    with pytest.raises(RequestError, match="architecture 'wrong': unknown initialisation 'zeros': there are torch"):

        @architecture(version=1, source="", sharing="", needs=(), sizes={"toy": {}}, init="zeros")
        def wrong() -> Architecture:
            """Wrong."""
            raise NotImplementedError

    assert "wrong" not in architectures.names()


@pytest.mark.parametrize("name", architectures.names())
def test_options_are_what_no_size_sets(name):
    entry = architectures.get(name)
    assert not {"channels", "recompute"} & set(entry.options)
    assert set(entry.options) == {
        "modl": {"initial_lambda", "fixed_lambda"},
        "modl-didn": {"initial_lambda", "fixed_lambda"},
        "modl-unet": {"initial_lambda", "fixed_lambda", "residual"},
    }.get(name, set())


def test_what_is_declared_anyway_is_no_deviation():
    entry = architectures.get("modl-unet")
    assert entry.variant("normal-0.02", {"residual": "false", "initial_lambda": "0.05"}) == Variant()
    found = entry.variant("torch", {"residual": "true"})
    assert found == Variant("torch", (("residual", True),))
    assert found.to_json() == {"init": "torch", "options": {"residual": True}}
    assert Variant.from_json(found.to_json()) == found
    assert Variant().to_json() == {}
    with pytest.raises(RequestError, match="init=zeros: unknown initialisation 'zeros'"):
        entry.variant("zeros", {})
    with pytest.raises(RequestError, match="has no option 'width': there are fixed_lambda, initial_lambda, residual"):
        entry.variant(None, {"width": "2"})


def test_a_denoiser_that_gives_the_image_itself():
    """x + N(x) is what the U-Net gives; its parameters and prunable weights are those of the residual one."""
    residual, direct = made(residual=True), made()
    assert isinstance(direct.denoiser, ChangeOf)
    assert torch.equal(values(residual), values(direct))
    image = torch.randn(1, 2, 24, 20, generator=torch.Generator().manual_seed(2))
    given = image + direct.denoiser(image)
    torch.testing.assert_close(given, residual.denoiser(image), rtol=0, atol=1e-6)
    assert list(direct.networks()) == ["denoiser.network"]


def test_lambda_is_learned_or_fixed():
    learned, fixed = made("modl"), made("modl", fixed_lambda=True, initial_lambda=0.1)
    assert isinstance(learned.log_lambda, nn.Parameter)
    assert "log_lambda" not in dict(fixed.named_parameters())
    assert float(fixed.log_lambda.exp()) == pytest.approx(0.1)
    assert learned.state_dict().keys() == fixed.state_dict().keys()
    with pytest.raises(RequestError, match=r"initial_lambda: 0\.0 is out of range"):
        made("modl", initial_lambda=0.0)
