"""A problem small enough to differentiate by hand."""

import torch
from torch import nn

from pruners import Mask


class ToyProblem:
    """Two-layer network in float64 on fixed batches; keeps `pruners.Problem`."""

    def __init__(self, seed=0):
        draw = torch.Generator().manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
        self.weights = {n: p.detach() for n, p in self.model.named_parameters() if n.endswith("weight")}
        self.mask = Mask.full(self.weights)
        self.generator = torch.Generator().manual_seed(seed + 1)
        self._data = [torch.randn(2, 3, 4, generator=draw, dtype=torch.float64) for _ in range(16)]

    def batches(self, number):
        return iter(self._data[:number])

    def loss(self, batch, weights=None):
        used = weights or {name: weight * self.mask[name] for name, weight in self.weights.items()}
        inputs, targets = batch
        return (torch.func.functional_call(self.model, used, (inputs,)) - targets[:, :2]).square().mean()
