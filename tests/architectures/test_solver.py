"""Conjugate gradients with derivatives written by hand, against autograd through every step."""

import pytest
import torch

from architectures import build
from architectures.launches import few_launches_on
from architectures.operators import NormalOperator
from architectures.solver import solve
from bench.machine.operators import Operators

WEIGHT = torch.tensor(0.05, dtype=torch.float64)


def system(samples=3, size=(12, 10), seed=0):
    """AᴴA, a right-hand side and a start, whose last sample is solved before the first step."""
    draw = torch.Generator().manual_seed(seed)
    maps = torch.randn(samples, 4, *size, dtype=torch.complex128, generator=draw)
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    mask = torch.rand(samples, 1, 1, size[1], generator=draw) > 0.5
    right, start = torch.randn(2, samples, *size, dtype=torch.complex128, generator=draw)
    right[-1] = start[-1] = 0
    return NormalOperator.of(maps, mask), right, start


def derivatives(normal, inputs, iterations, kinds):
    with few_launches_on(*kinds):
        right, start, weight = (value.clone().requires_grad_() for value in inputs)
        solution = solve(normal, weight, right, start, iterations)
        gradient = torch.randn(solution.shape, dtype=solution.dtype, generator=torch.Generator().manual_seed(1))
        return solution.detach(), *torch.autograd.grad(solution, (right, start, weight), gradient)


@pytest.mark.parametrize("iterations", [1, 2, 5, 40])
def test_solution_and_derivatives_are_those_of_autograd(iterations):
    """With 40 steps all samples are solved and stay as they are."""
    normal, right, start = system()
    pairs = zip(*(derivatives(normal, (right, start, WEIGHT), iterations, k) for k in (["cpu"], [])), strict=True)
    for found, expected in pairs:
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_derivatives_of_first_and_second_order_by_finite_differences():
    normal, right, start = system(1, (4, 4))
    right, start = system(2, (4, 4), seed=3)[1][:1], system(2, (4, 4), seed=4)[2][:1]
    inputs = [value.clone().requires_grad_() for value in (right, start, WEIGHT)]

    def solution(right, start, weight):
        return solve(normal, weight, right, start, 3)

    with few_launches_on("cpu"):
        assert torch.autograd.gradcheck(solution, inputs)
        assert torch.autograd.gradgradcheck(solution, inputs)


def test_what_is_fixed_needs_no_derivative():
    normal, right, start = system()
    right.requires_grad_()
    with few_launches_on("cpu"):
        solve(normal, WEIGHT, right, start, 3).abs().sum().backward()
    assert right.grad is not None
    assert WEIGHT.grad is None


@pytest.mark.parametrize("arch", ["modl", "modl-unet", "modl-didn"])
def test_a_step_of_modl_takes_fewer_operations(arch):
    draw = torch.Generator().manual_seed(0)
    model = build(arch, "toy", draw)
    kspace, maps = torch.randn(2, 1, 3, 32, 32, dtype=torch.complex64, generator=draw)
    mask = torch.rand(1, 1, 1, 32, generator=draw) > 0.5
    numbers = []
    for kinds in ([], ["cpu"]):
        with few_launches_on(*kinds), Operators() as number:
            model(kspace * mask, mask, maps).square().sum().backward()
        numbers.append(number.all)
    assert numbers[1] < 0.9 * numbers[0]


def test_it_may_be_recomputed():
    """Bit for bit the same, since what it keeps is what autograd would let go."""
    draw = torch.Generator().manual_seed(0)
    kspace, maps = torch.randn(2, 1, 3, 32, 32, dtype=torch.complex64, generator=draw)
    mask = torch.rand(1, 1, 1, 32, generator=draw) > 0.5
    found = []
    for recompute in (False, True):
        model = build("modl", "toy", torch.Generator().manual_seed(0))
        model.recompute = recompute
        with few_launches_on("cpu"):
            model(kspace * mask, mask, maps).square().sum().backward()
        found.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("arch", ["modl", "modl-unet"])
def test_a_whole_network_has_the_same_derivatives_of_second_order(arch):
    """Where right-hand side and start depend on the same weights, nothing may count twice."""
    draw = torch.Generator().manual_seed(0)
    kspace, maps = torch.randn(2, 1, 3, 32, 32, dtype=torch.complex128, generator=draw)
    mask = torch.rand(1, 1, 1, 32, generator=draw) > 0.5
    found = []
    for kinds in ([], ["cpu"]):
        model = build(arch, "toy", torch.Generator().manual_seed(0)).double()
        parameters = list(model.parameters())
        with few_launches_on(*kinds):
            loss = model(kspace * mask, mask, maps).square().mean()
            first = torch.autograd.grad(loss, parameters, create_graph=True)
            second = torch.autograd.grad(torch.stack([part.square().sum() for part in first]).sum(), parameters)
        found.append([*(part.detach() for part in first), *second])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)
