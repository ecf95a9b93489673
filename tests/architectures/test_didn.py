"""DIDN: the size of the public network, its levels, images of any size."""

import pytest
import torch
from torch import nn

from architectures import build
from architectures.didn import DIDN, DownUpBlock


def test_the_public_size():
    """64 channels and three blocks: 5 021 761 parameters, 31 of them slopes of PReLU."""
    with torch.device("meta"):
        network = DIDN(64, 3)
    assert sum(parameter.numel() for parameter in network.parameters()) == 5_021_761
    assert sum(isinstance(module, nn.PReLU) for module in network.modules()) == 31


def test_the_levels_of_a_block():
    """Channels and sizes on the way down and up, and residuals around all of it."""
    block = DownUpBlock(4)
    shapes = {}
    for name in ("to_half", "to_quarter", "from_quarter", "from_half", "leave"):
        block.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: shapes.update({name: tuple(output.shape[1:])})
        )
    features = torch.randn(1, 4, 16, 8, generator=torch.Generator().manual_seed(0))
    block(features)
    assert shapes == {
        "to_half": (8, 8, 4),
        "to_quarter": (16, 4, 2),
        "from_quarter": (8, 8, 4),
        "from_half": (4, 16, 8),
        "leave": (4, 16, 8),
    }
    nn.init.zeros_(block.leave.weight)
    assert block.leave.bias is not None
    nn.init.zeros_(block.leave.bias)
    assert torch.equal(block(features), features)


@pytest.mark.parametrize("size", [(8, 8), (9, 17), (1, 33), (32, 20)])
def test_images_of_any_size(size):
    network = DIDN(8, 2)
    image = torch.randn(2, 2, *size, generator=torch.Generator().manual_seed(1))
    assert network(image).shape == image.shape


@pytest.mark.parametrize(("channels", "width"), [(1, 4), (4, 4), (9.9, 8), (10.1, 12), (64, 64)])
def test_widths_are_multiples_of_four(channels, width):
    """The pixel shuffle at the end leaves a quarter of the channels."""
    network = DIDN(channels, 1)
    assert network.enter[0].out_channels == width
    assert network.leave[1].in_channels == width // 4


def test_it_starts_as_the_identity():
    model = build("modl-didn", "demo", torch.Generator().manual_seed(0))
    image = torch.randn(1, 2, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert float(model.denoiser(image).norm() / image.norm()) < 1e-3
