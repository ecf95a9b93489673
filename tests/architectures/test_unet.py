"""The U-Net on images whose poolings drop a line."""

import pytest
import torch
from fastmri.models.unet import Unet
from torch.nn import functional

from architectures.launches import few_launches_on
from architectures.unet import NormalisedUNet, PlainUNet, as_channels, mirrored_by_copies
from bench.machine.operators import Operators

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


def gradients(network, image, weights):
    found = network(image)
    return torch.autograd.grad((found * weights).square().sum(), list(network.parameters()), create_graph=True)


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("kind", [PlainUNet, NormalisedUNet])
def test_few_launches_change_no_gradient_and_no_second_derivative(kind, samples):
    """One sample whose channels come last, as those of a complex image do, is where torch's own goes wrong."""
    torch.manual_seed(0)
    network = kind(3, 2).double()
    image = as_channels(torch.randn(samples, 20, 24, dtype=torch.complex128))
    weights = torch.randn(image.shape, dtype=torch.float64)
    direction = [torch.randn_like(value) for value in network.parameters()]
    results, counts = [], []
    for devices in ([], ["cpu"]):
        with few_launches_on(*devices), Operators() as counter:
            first = gradients(network, image, weights)
            product = sum((one * other).sum() for one, other in zip(first, direction, strict=True))
            results.append((*first, *torch.autograd.grad(product, list(network.parameters()))))
        counts.append(counter.all)
    for own, other in zip(*results, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-9)
    assert counts[1] < 0.8 * counts[0]


@pytest.mark.parametrize("devices", [[], ["cpu"]])
def test_second_derivatives_by_finite_differences(devices):
    torch.manual_seed(0)
    network = PlainUNet(3, 2).double()
    image = as_channels(torch.randn(1, 16, 16, dtype=torch.complex128))
    weights = torch.randn(image.shape, dtype=torch.float64)
    values = list(network.parameters())
    direction = [torch.randn_like(value) for value in values]
    step = 1e-7
    with few_launches_on(*devices):
        product = sum(
            (one * other).sum() for one, other in zip(gradients(network, image, weights), direction, strict=True)
        )
        found = torch.autograd.grad(product, values)
        ends = []
        for sign in (1, -2):
            with torch.no_grad():
                for value, along in zip(values, direction, strict=True):
                    value += sign * step * along
            ends.append(gradients(network, image, weights))
    for own, after, before in zip(found, *ends, strict=True):
        torch.testing.assert_close(own, (after - before) / (2 * step), rtol=1e-4, atol=1e-4 * float(own.abs().max()))
