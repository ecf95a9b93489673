"""Gradients of the training loss with respect to the prunable weights, summed over batches."""

from collections.abc import Mapping

import torch
from torch import Tensor

from pruners.problem import Problem


def masked(problem: Problem) -> dict[str, Tensor]:
    """The weights as the network uses them, ready to be differentiated by."""
    return {n: (w * problem.mask[n]).detach().requires_grad_() for n, w in problem.weights.items()}


def summed_gradients(problem: Problem, weights: Mapping[str, Tensor], batches: int) -> dict[str, Tensor]:
    """∂ΣL/∂θ at these weights; shared weights sum over their uses."""
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for batch in problem.batches(batches):
        parts = torch.autograd.grad(problem.loss(batch, weights), list(weights.values()))
        for found, part in zip(total.values(), parts, strict=True):
            found += part
    return total
