"""GraSP: gradient signal preservation."""

import torch

from pruners.contract import pruner
from pruners.entries import TIMINGS
from pruners.gradients import masked
from pruners.problem import Problem, Scores


@pruner(
    timings=TIMINGS, version=1, source="Wang, Zhang, Grosse 2020, arXiv:2002.07376, eq. 8; sign as 'higher is kept'"
)
def grasp(problem: Problem, batches: int = 8) -> Scores:
    """θ ⊙ Hg: by how much the squared norm of the gradient falls, to first order, when the weight is removed.

    Removing θ_q changes ‖g‖² by −2 θ_q (Hg)_q. The paper removes the weights of the highest −θ ⊙ Hg, whose removal
    raises the gradient norm most or lowers it least; so the highest θ ⊙ Hg are kept. g and H are of the mean squared
    error of √(|x|² + ε²) whatever the training loss (an L1 loss has no curvature), both on the same batches;
    temperature 1. Where the gradient is small, as after training, the score is ill-conditioned: mind the overlap of
    masks in the record.

    Parameters
    ----------
    problem : Problem
    batches : int
        How many training batches g and H are summed over (ours).
    """
    weights = masked(problem)
    names, leaves = list(weights), list(weights.values())
    gradient = [torch.zeros_like(leaf) for leaf in leaves]
    for batch in problem.batches(batches):
        parts = torch.autograd.grad(problem.curved_loss(batch, weights), leaves)
        gradient = [total + part for total, part in zip(gradient, parts, strict=True)]
    product = [torch.zeros_like(leaf) for leaf in leaves]
    for batch in problem.batches(batches):
        parts = torch.autograd.grad(problem.curved_loss(batch, weights), leaves, create_graph=True)
        slope = torch.stack([(part * g).sum() for part, g in zip(parts, gradient, strict=True)]).sum()
        # a weight that acts linearly on the loss alone has no second derivative
        second = torch.autograd.grad(slope, leaves, materialize_grads=True)
        product = [total + part for total, part in zip(product, second, strict=True)]
    return {name: leaf.detach() * part.detach() for name, leaf, part in zip(names, leaves, product, strict=True)}
