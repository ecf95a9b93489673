"""Sparse training with a mask that moves: drop the smallest weights, grow others, layer by layer."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pruners.entries import Plan
from pruners.mask import Mask
from registries.bounds import Bounds


def exchanged(mask: Mask, weights: Mapping[str, Tensor], growth: Mapping[str, Tensor], fraction: float) -> Mask:
    """The mask after each layer dropped its smallest kept weights and grew as many others.

    Parameters
    ----------
    mask : Mask
    weights, growth : mapping of str to Tensor
        Values of the weights, and how much each one not kept is wanted; what was just dropped may come back.
    fraction : float
        Of the kept weights of each layer; rounded down, and no more than there are others.
    """
    return Mask({name: _exchanged(kept, weights[name], growth[name], fraction) for name, kept in mask.items()})


def _exchanged(kept: Tensor, weight: Tensor, growth: Tensor, fraction: float) -> Tensor:
    number = min(int(fraction * int(kept.sum())), int((~kept).sum()))
    flat = kept.flatten()
    size = torch.where(flat, weight.detach().abs().flatten(), torch.inf)
    dropped = torch.argsort(size, stable=True)[:number]
    left = flat.clone()
    left[dropped] = False
    wanted = growth.flatten().masked_fill(left, -torch.inf)
    grown = torch.argsort(wanted, descending=True, stable=True)[:number]
    left[grown] = True
    return left.reshape(kept.shape)


def cosine(fraction: float, step: int, last: int) -> float:
    """α/2 (1 + cos(π t / T_end)) (Evci et al. 2020, §3)."""
    return fraction / 2 * (1 + math.cos(math.pi * step / last))


def update_steps(plan: Plan, updates: int, fraction: float) -> tuple[int, ...]:
    """So many evenly spaced steps (or as many as there are) before three quarters of T.

    Raises
    ------
    RequestError
        If the fraction to exchange is none.
    """
    Bounds(0, 1, above=True).check(fraction, "--set pruner.fraction")
    last = plan.at(0.75)
    number = max(0, min(updates, last - 1))
    return tuple(last * u // (number + 1) for u in range(1, number + 1))
