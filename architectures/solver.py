"""MoDL's regularised data consistency in few operations: conjugate gradients with derivatives written by hand."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from architectures.launches import few_launches
from architectures.operators import NormalOperator, conjugate_gradient, rounding_level


def solve(normal: NormalOperator, weight: Tensor, right: Tensor, start: Tensor, iterations: int) -> Tensor:
    """Solve ``(AᴴA + λ) x = right`` by a fixed number of conjugate-gradient steps; see `conjugate_gradient`.

    Autograd dispatches some 130 operations for each step, forward and backward, for which a GPU waits; there it is
    less than half as many. The derivatives are those of the same numbers up to rounding; for those of second order, and
    where coil maps are learned, the steps are taken one operation at a time.

    Parameters
    ----------
    normal : NormalOperator
    weight : Tensor
        λ, of no axes.
    right, start : Tensor
        ``(B, H, W)`` complex.
    iterations : int
        At least 1.
    """
    if normal.maps.requires_grad or not few_launches(right.device):
        return _one_by_one(normal, weight, right, start, iterations)
    found: Tensor = _Solution.apply(right, start, weight, normal, iterations)
    return found


def _one_by_one(normal: NormalOperator, weight: Tensor, right: Tensor, start: Tensor, iterations: int) -> Tensor:
    def regularised(image: Tensor) -> Tensor:
        return normal(image) + weight * image

    return conjugate_gradient(regularised, right, start, iterations)


@dataclass(frozen=True)
class _System:
    """AᴴA + λ on real vectors ``(B, 2 H W)``, of which each pair is a complex number."""

    normal: NormalOperator
    weight: Tensor
    shape: torch.Size

    def __call__(self, vector: Tensor) -> Tensor:
        rows, columns = self.shape[1:]
        image = torch.view_as_complex(vector.view(-1, 1, rows, columns, 2))
        return torch.addcmul(as_vector(self.normal.of_every_coil(image)), vector, self.weight)

    def as_image(self, vector: Tensor) -> Tensor:
        """Complex ``(B, H, W)``."""
        return torch.view_as_complex(vector.view(*self.shape, 2))


def as_vector(image: Tensor) -> Tensor:
    """Complex ``(B, H, W)`` as real ``(B, 2 H W)``."""
    return torch.view_as_real(image).flatten(1)


@dataclass(frozen=True)
class _Step:
    """What the derivative of a step needs; scalars ``(B, 1)``, vectors ``(B, 2 H W)``.

    Attributes
    ----------
    direction, applied : Tensor
        d, and (AᴴA + λ) d.
    residual : Tensor
        After the step.
    solved : Tensor
        Samples that the step leaves as they are.
    energy, curvature : Tensor
        ‖residual‖² before the step, ⟨d, (AᴴA + λ) d⟩.
    length, turn : Tensor
        α and β of the method.
    """

    direction: Tensor
    applied: Tensor
    residual: Tensor
    solved: Tensor
    energy: Tensor
    curvature: Tensor
    length: Tensor
    turn: Tensor


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1, keepdim=True)


def _steps(system: _System, right: Tensor, start: Tensor, iterations: int) -> Iterator[tuple[Tensor, _Step]]:
    """Each solution, with what led there; the same decisions as in `conjugate_gradient_steps`."""
    solution, residual = start, right - system(start)
    direction, energy = residual, _inner(residual, residual)
    squared = energy  # ‖direction‖²
    rounding = rounding_level(energy.dtype)
    floor, zero = rounding**2 * _inner(right, right), energy.new_zeros(())
    for _ in range(iterations):
        applied = system(direction)
        curvature = _inner(direction, applied)
        solved = (energy <= floor) | (curvature <= rounding * squared)
        length = torch.where(solved, zero, energy / curvature)
        solution = torch.addcmul(solution, length, direction)
        residual = torch.addcmul(residual, length, applied, value=-1)
        previous, energy = energy, _inner(residual, residual)
        turn = torch.where(solved, zero, energy / previous)
        yield solution, _Step(direction, applied, residual, solved, previous, curvature, length, turn)
        direction = torch.addcmul(residual, turn, direction)
        squared = torch.addcmul(energy, turn * turn, squared)


class _Solution(torch.autograd.Function):
    """What `solve` gives."""

    @staticmethod
    def forward(
        ctx: Any, right: Tensor, start: Tensor, weight: Tensor, normal: NormalOperator, iterations: int
    ) -> Tensor:
        system = _System(normal, weight, right.shape)
        solutions, steps = zip(*_steps(system, as_vector(right), as_vector(start), iterations), strict=True)
        ctx.normal, ctx.iterations = normal, iterations
        ctx.save_for_backward(right, start, weight, *(value for step in steps for value in vars(step).values()))
        return system.as_image(solutions[-1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        right, start, weight, *kept = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody will differentiate once more
            found = _step_by_step(ctx.normal, (right, start, weight), gradient, ctx.iterations)
        else:
            size = len(kept) // ctx.iterations
            steps = [_Step(*kept[first : first + size]) for first in range(0, len(kept), size)]
            system = _System(ctx.normal, weight, right.shape)
            found = _backward(system, steps, as_vector(start), as_vector(gradient.contiguous()))
        return (*found, None, None)


def _step_by_step(
    normal: NormalOperator, inputs: tuple[Tensor, Tensor, Tensor], gradient: Tensor, iterations: int
) -> tuple[Tensor | None, ...]:
    """The same derivatives by autograd, which can differentiate them again."""
    with torch.enable_grad():
        # views, so that the derivatives end here: right and start depend on λ and on each other
        right, start, weight = (
            part.view_as(part) if part.requires_grad else part.detach().requires_grad_() for part in inputs
        )
        solution = _one_by_one(normal, weight, right, start, iterations)
        return torch.autograd.grad(solution, (right, start, weight), gradient, create_graph=True)


def _backward(system: _System, steps: list[_Step], start: Tensor, of_solution: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Derivatives by right-hand side, start and λ: the steps in reverse, each assignment by the chain rule."""
    zero = of_solution.new_zeros(())
    of_weight = torch.zeros_like(of_solution)  # summed over its last axis in the end
    of_residual, of_direction = torch.zeros_like(of_solution), torch.zeros_like(of_solution)
    of_energy = by_energy = zero
    for place, step in enumerate(reversed(steps)):
        # direction' = residual' + turn direction, turn = energy' / energy, energy' = ‖residual'‖²
        if place:  # nothing follows from the last of them
            by_energy = torch.where(step.solved, zero, _inner(step.direction, of_direction) / step.energy)
            of_residual = torch.addcmul(of_residual + of_direction, of_energy + by_energy, step.residual, value=2)
        # solution' = solution + length direction, residual' = residual − length applied, length = energy / curvature
        of_length = _inner(step.direction, of_solution) - _inner(step.applied, of_residual)
        by_curvature = torch.where(step.solved, zero, of_length / step.curvature)
        of_energy = torch.addcmul(by_curvature, by_energy, step.turn, value=-1)
        of_curvature = by_curvature * step.length
        # applied = (AᴴA + λ) direction, curvature = ⟨direction, applied⟩
        minus_applied = torch.addcmul(step.length * of_residual, of_curvature, step.direction)
        of_direction = torch.addcmul(step.turn * of_direction, step.length, of_solution)
        of_direction = torch.addcmul(of_direction, of_curvature, step.applied, value=-1) - system(minus_applied)
        of_weight = torch.addcmul(of_weight, minus_applied, step.direction, value=-1)
    # direction = residual = right − (AᴴA + λ) start, energy = ‖residual‖²
    first = steps[0].direction
    of_right = torch.addcmul(of_residual + of_direction, of_energy, first, value=2)
    of_start = of_solution - system(of_right)
    of_weight = torch.addcmul(of_weight, of_right, start, value=-1).sum()
    return system.as_image(of_right), system.as_image(of_start), of_weight
