"""SynFlow: iterative synaptic flow, without data."""

import torch
from torch import Tensor
from torch.func import functional_call

from pruners.contract import pruner
from pruners.entries import TIMINGS
from pruners.paths import linearised
from pruners.problem import Problem, Scores
from registries.bounds import Bounds


@pruner(
    timings=TIMINGS, version=1, rounds=100, uses_data=False, source="Tanaka et al. 2020, arXiv:2006.05467, algorithm 1"
)
def synflow(problem: Problem, pixels: int = 32) -> Scores:
    """θ ⊙ ∂R/∂θ of R = 1ᵀ f_|θ|(1), in rounds; R of each CNN by itself.

    Each plain CNN (denoiser, sensitivity network) is one network in the sense of the paper; one that several unrolls
    share counts once. The absolute weights pass an image of ones; biases are zero and norms are identities, so that
    every activation stays positive and R is a polynomial of the weights. R is a product over layers and differs by
    orders of magnitude between networks: scores are divided by their own network's R (ours), so that those of each
    layer sum to about one. Computed in float64.

    Parameters
    ----------
    problem : Problem
    pixels : int
        Rows and columns of the image of ones (ours; only zero padding at the border sees it).
    """
    Bounds(1, 1024).check(pixels, "--set pruner.pixels")
    scores: Scores = {name: torch.zeros_like(weight, dtype=torch.float64) for name, weight in problem.weights.items()}
    for prefix, network in problem.networks().items():
        inside = {name for name, _ in network.named_parameters()}
        of_problem = {name: f"{prefix}.{name}" for name in inside if f"{prefix}.{name}" in problem.weights}
        if not of_problem:
            continue
        linear = linearised(network)
        weights = {
            name: (problem.weights[full] * problem.mask[full]).detach().double().abs().requires_grad_()
            for name, full in of_problem.items()
        }
        device = next(iter(weights.values())).device
        flow: Tensor = functional_call(
            linear, weights, torch.ones(1, 2, pixels, pixels, dtype=torch.float64, device=device)
        ).sum()
        slopes = torch.autograd.grad(flow, list(weights.values()))
        total = flow.detach() if flow > 0 else torch.ones_like(flow)  # a network cut through has no flow to share
        for (name, full), slope in zip(of_problem.items(), slopes, strict=True):
            scores[full] = weights[name].detach() * slope / total
    return scores
