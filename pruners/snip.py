"""SNIP: single-shot pruning by connection sensitivity."""

import torch

from pruners.contract import Problem, Scores, pruner


@pruner(timings=("at-init",), version=1, source="Lee, Ajanthan, Torr 2019, arXiv:1810.02340, eq. 3–6")
def snip(problem: Problem, batches: int = 8) -> Scores:
    """Connection sensitivity |θ ⊙ ∂L/∂θ|, the gradient summed over a few batches.

    The paper's derivative with respect to a gate on the connection equals θ ⊙ ∂L/∂θ at gates of one. Its
    normalisation by the sum of scores does not change their order and is left out. The weights are the initial ones
    of the network (the paper recommends variance scaling, which torch's default is).

    Parameters
    ----------
    problem : Problem
        The training loss and batches; weights already pruned have a score of zero.
    batches : int
        How many training batches the gradient is summed over (ours; the paper uses one of 100–128 images).
    """
    weights = {n: (w * problem.mask[n]).detach().requires_grad_() for n, w in problem.weights.items()}
    gradients = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for batch in problem.batches(batches):
        parts = torch.autograd.grad(problem.loss(batch, weights), list(weights.values()))
        for total, part in zip(gradients.values(), parts, strict=True):
            total += part
    return {name: (weight.detach() * gradients[name]).abs() for name, weight in weights.items()}
