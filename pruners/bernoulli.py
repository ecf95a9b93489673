"""Random masks with a derivative: relaxed Bernoulli samples and their divergence from a prior."""

import math

import torch
from torch import Tensor


def relaxed_sample(logits: Tensor, noise: Tensor, temperature: float, straight_through: bool = False) -> Tensor:
    """σ((logit + log u − log(1 − u)) / temperature), the binary concrete distribution.

    Parameters
    ----------
    logits : Tensor
        Of the probability to be kept.
    noise : Tensor
        u, uniform on (0, 1), of the same shape.
    temperature : float
    straight_through : bool
        Round in the forward pass, with the gradient of the relaxed sample.

    Notes
    -----
    Maddison, Mnih, Teh 2017, arXiv:1611.00712; Bengio et al. 2013, arXiv:1308.3432.
    """
    logistic = torch.log(noise) - torch.log1p(-noise)
    soft = torch.sigmoid((logits + logistic) / temperature)
    if not straight_through:
        return soft
    return (soft > 0.5).to(soft.dtype) + (soft - soft.detach())


def divergence(logits: Tensor, prior: float) -> Tensor:
    """KL(Bernoulli(σ(logit)) ‖ Bernoulli(prior)) of each weight, in nats.

    p log(p/q) + (1 − p) log((1 − p)/(1 − q)), in terms that stay finite for large logits.
    """
    probability = torch.sigmoid(logits)
    log_kept = torch.nn.functional.logsigmoid(logits)
    log_dropped = torch.nn.functional.logsigmoid(-logits)
    return probability * (log_kept - math.log(prior)) + (1 - probability) * (log_dropped - math.log1p(-prior))


def mean_divergence(logits: Tensor, available: Tensor, prior: float) -> Tensor:
    """KL(Bernoulli(mean p) ‖ Bernoulli(prior)) of a layer's mean probability over its available gates, in nats."""
    probability = (torch.sigmoid(logits) * available).sum() / available.sum()
    return divergence(torch.logit(probability, eps=torch.finfo(probability.dtype).eps), prior)


def uniform(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Uniform on the open interval (0, 1), float32."""
    tiny = torch.finfo(torch.float32).eps
    return torch.rand(shape, generator=generator).clamp(tiny, 1 - tiny)
