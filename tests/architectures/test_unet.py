"""The U-Net on images whose poolings drop a line."""

import pytest
import torch
from fastmri.models.unet import Unet
from torch.nn import functional

from architectures.unet import PlainUNet, mirrored_by_copies

SHAPES = ((2, 2, 45, 51), (1, 2, 33, 47), (3, 2, 42, 50), (1, 2, 64, 64))


@pytest.mark.parametrize("shape", SHAPES)
def test_images_and_gradients_are_those_of_fastmri_bit_for_bit(shape):
    torch.manual_seed(0)
    network, image = PlainUNet(4, 3), torch.randn(shape, requires_grad=True)
    results = []
    for call in (network, lambda given: Unet.forward(network, given)):
        found = call(image)
        results.append((found, *torch.autograd.grad(found.square().sum(), [image, *network.parameters()])))
    assert all(torch.equal(own, other) for own, other in zip(*results, strict=True))


@pytest.mark.parametrize(("rows", "columns"), [(0, 1), (1, 0), (1, 1)])
def test_copies_reflect_as_torch_does(rows, columns):
    features = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, 5 + rows, 4 + columns, dtype=torch.float64)
    own = mirrored_by_copies(features, rows, columns)
    other = functional.pad(features, (0, columns, 0, rows), "reflect")
    assert torch.equal(own, other)
    own_gradient, other_gradient = (torch.autograd.grad((one * weights).sum(), features)[0] for one in (own, other))
    assert torch.allclose(own_gradient, other_gradient)
