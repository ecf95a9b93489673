"""The physics against dense matrices and independent derivatives, in float64."""

import pytest
import torch

from architectures.operators import (
    NormalOperator,
    centred_fft,
    centred_ifft,
    conjugate_gradient,
    inner,
    magnitude,
    sense_adjoint,
    sense_forward,
)

SHAPES = [(6, 8), (7, 5), (5, 6)]


def random_complex(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def make_problem(shape, two_dimensional=False):
    height, width = shape
    maps = random_complex(2, 3, height, width, seed=1)
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    draw = torch.Generator().manual_seed(2)
    mask = torch.rand(2, 1, height if two_dimensional else 1, width, generator=draw) < 0.5
    return maps, mask


@pytest.mark.parametrize("shape", SHAPES)
def test_centred_fft_is_unitary_and_centred(shape):
    image = random_complex(*shape)
    assert torch.allclose(centred_ifft(centred_fft(image)), image)
    assert torch.allclose(centred_fft(image).norm(), image.norm())
    constant = centred_fft(torch.ones(shape, dtype=torch.complex128))
    assert constant.abs().argmax() == (shape[0] // 2) * shape[1] + shape[1] // 2


@pytest.mark.parametrize("two_dimensional", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_forward_and_adjoint_are_adjoint(shape, two_dimensional):
    maps, mask = make_problem(shape, two_dimensional)
    image, kspace = random_complex(2, *shape, seed=3), random_complex(2, 3, *shape, seed=4)
    left = torch.linalg.vecdot(sense_forward(image, maps, mask).flatten(1), kspace.flatten(1))
    right = torch.linalg.vecdot(image.flatten(1), sense_adjoint(kspace, maps, mask).flatten(1))
    assert torch.allclose(left, right)


@pytest.mark.parametrize("two_dimensional", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_normal_operator_is_adjoint_times_forward(shape, two_dimensional):
    maps, mask = make_problem(shape, two_dimensional)
    image = random_complex(2, *shape, seed=3)
    expected = sense_adjoint(sense_forward(image, maps, mask), maps, mask)
    assert torch.allclose(NormalOperator.of(maps, mask)(image), expected)


def dense_matrix(operator, shape):
    basis = torch.eye(shape[0] * shape[1], dtype=torch.complex128).reshape(-1, *shape)
    return torch.stack([operator(vector[None]).flatten() for vector in basis], dim=1)


def test_conjugate_gradient_reaches_the_dense_solution():
    shape = (5, 6)
    maps, mask = make_problem(shape)
    normal = NormalOperator.of(maps[:1], mask[:1])
    right = random_complex(1, *shape, seed=5)
    matrix = dense_matrix(lambda x: normal(x) + 0.3 * x, shape)
    expected = torch.linalg.solve(matrix, right.flatten()).reshape(shape)
    found = conjugate_gradient(lambda x: normal(x) + 0.3 * x, right, torch.zeros_like(right), 40)
    assert torch.allclose(found[0], expected, atol=1e-10)


def test_derivatives_with_respect_to_lambda_are_those_of_the_inverse():
    """x(λ) = (H + λ)⁻¹ b has x′ = −(H + λ)⁻² b and x″ = 2 (H + λ)⁻³ b."""
    shape = (5, 6)
    maps, mask = make_problem(shape)
    normal = NormalOperator.of(maps[:1], mask[:1])
    right, probe = random_complex(1, *shape, seed=5), random_complex(1, *shape, seed=6)
    weight = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    found = conjugate_gradient(lambda x: normal(x) + weight * x, right, torch.zeros_like(right), 40)
    first = torch.autograd.grad(inner(probe, found).sum(), weight, create_graph=True)[0]
    second = torch.autograd.grad(first, weight)[0]
    inverse = torch.linalg.inv(dense_matrix(lambda x: normal(x) + 0.3 * x, shape))
    b, p = right.flatten(), probe.flatten()
    expected_first = -torch.vdot(p, inverse @ inverse @ b).real
    expected_second = 2 * torch.vdot(p, inverse @ inverse @ inverse @ b).real
    assert torch.allclose(first, expected_first, rtol=1e-8)
    assert torch.allclose(second, expected_second, rtol=1e-7)


def test_conjugate_gradient_freezes_solved_samples_and_keeps_gradients_finite():
    right = torch.stack([torch.zeros(3, 3, dtype=torch.complex128), random_complex(3, 3)])
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    found = conjugate_gradient(lambda x: scale * x, right, torch.zeros_like(right), 10)
    assert torch.allclose(found, right / 2)
    gradient = torch.autograd.grad(found.abs().square().sum(), scale)[0]
    assert torch.isfinite(gradient)


@pytest.mark.parametrize("coils", [1, 3])
def test_conjugate_gradient_stays_at_the_solution_of_a_singular_problem(coils):
    """Without regularisation a single coil is solved in one step, and the null space must stay empty for ever after."""
    draw = torch.Generator().manual_seed(0)
    maps = torch.randn(1, coils, 24, 20, dtype=torch.complex64, generator=draw)
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    mask = torch.rand(1, 1, 1, 20, generator=draw) < 0.3
    image = torch.randn(1, 24, 20, dtype=torch.complex64, generator=draw)
    normal = NormalOperator.of(maps, mask)
    right = sense_adjoint(sense_forward(image, maps, mask), maps, mask)
    found = conjugate_gradient(normal, right, torch.zeros_like(right), 300)
    assert found.norm() < 2 * image.norm()
    assert (normal(found) - right).norm() < 1e-2 * right.norm()


def test_magnitude_has_finite_derivatives_at_zero():
    image = torch.zeros(1, 2, 2, dtype=torch.complex128, requires_grad=True)
    gradient = torch.autograd.grad(magnitude(image).sum(), image, create_graph=True)[0]
    assert torch.equal(gradient, torch.zeros_like(gradient))
    assert magnitude(torch.full((1, 1, 1), complex("nan"))).isnan().all()
    values = random_complex(1, 4, 4)
    assert torch.allclose(magnitude(values), values.abs())
