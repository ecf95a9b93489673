"""Networks that a mask cuts through, and the layer that comes last."""

import pytest
import torch
from torch import nn

from architectures import architectures, build
from pruners import Mask
from pruners.gates import WeightGates
from pruners.paths import disconnected, last_convolutions

CHAIN = {"net": nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU(), nn.Conv2d(3, 2, 1))}


def mask_of(networks):
    return Mask.full(
        {
            f"{prefix}.{name}": value
            for prefix, network in networks.items()
            for name, value in network.named_parameters()
            if value.ndim == 4
        }
    )


def only(*kept):
    """Keeps the weights (layer, output, input) alone."""
    mask = {name: torch.zeros_like(flags) for name, flags in mask_of(CHAIN).items()}
    for layer, output, source in kept:
        mask[f"net.{layer}.weight"][output, source] = True
    return Mask(mask)


def test_a_path_is_a_chain_of_kept_weights():
    assert disconnected(CHAIN, only((0, 1, 0), (2, 0, 1))) == ()
    assert disconnected(CHAIN, only((0, 1, 0), (2, 0, 2))) == ("net",)  # ends in a channel that nobody reads
    assert disconnected(CHAIN, only((0, 1, 0))) == ("net",)
    assert disconnected(CHAIN, mask_of(CHAIN)) == ()


@pytest.mark.parametrize("name", architectures.names())
def test_an_emptied_last_layer_cuts_its_network_alone(name):
    model = build(name, "toy", torch.Generator().manual_seed(0))
    networks = model.networks()
    full = Mask.full({weight: part.weight for weight, part in model.prunable().items()})
    assert disconnected(networks, full) == ()
    last = last_convolutions(networks)
    assert len(last) == len(networks)
    assert all(full[weight].shape[0] == 2 for weight in last)
    for prefix in networks:
        emptied = {
            weight: torch.zeros_like(flags) if weight in last and weight.startswith(f"{prefix}.") else flags
            for weight, flags in full.items()
        }
        assert disconnected(networks, Mask(emptied)) == (prefix,)


def test_the_last_convolution_is_the_last_one_carried_out():
    """That of a U-Net is not the last one of its list of modules."""
    model = build("modl-unet", "toy", torch.Generator().manual_seed(0))
    assert last_convolutions(model.networks()) == {"denoiser.network.up_conv.1.1.weight"}


@pytest.mark.parametrize("scope", ["global", "layer-wise", "erk"])
def test_gates_that_leave_a_layer_whole_keep_the_count(scope):
    within = mask_of(CHAIN)
    gates = WeightGates(within, {"net.2.weight"})
    assert set(gates.available) == {"net.0.weight"}
    scores = {"net.0.weight": torch.arange(6.0).reshape(3, 2, 1, 1)}
    found = gates.select(scores, 8, scope)
    assert found["net.2.weight"].all()
    assert found.kept == 8
    assert found["net.0.weight"].flatten().tolist() == [False] * 4 + [True] * 2
    assert gates.density("0.3333") == pytest.approx(2 / 6)
    factors = gates.factors({"net.0.weight": torch.full((3, 2, 1, 1), 0.5)})
    assert list(factors) == list(within)
    assert (factors["net.2.weight"] == 1).all()
    assert gates.over(within).select(scores, 8, scope) == found
