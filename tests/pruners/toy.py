"""Problems small enough to differentiate by hand."""

import torch
from torch import nn

from pruners import Mask
from pruners.coupling import coupled


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

    def networks(self):
        return {}

    def batches(self, number):
        return iter(self._data[:number])

    def loss(self, batch, weights=None):
        used = weights or {name: weight * self.mask[name] for name, weight in self.weights.items()}
        inputs, targets = batch
        return (torch.func.functional_call(self.model, used, (inputs,)) - targets[:, :2]).square().mean()

    def curved_loss(self, batch, weights=None):
        return self.loss(batch, weights)


class FormulaProblem:
    """A loss given as a formula of named weights; every batch is a number that multiplies it."""

    def __init__(self, formula, weights, mask=None):
        self.weights = {name: torch.tensor(value, dtype=torch.float64) for name, value in weights.items()}
        full = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in self.weights.items()}
        self.mask = Mask({name: torch.tensor(mask[name]) for name in full} if mask else full)
        self.generator = torch.Generator().manual_seed(0)
        self.model = nn.Module()
        self._formula = formula

    def networks(self):
        return {}

    def batches(self, number):
        return iter([1.0] * number)

    def loss(self, batch, weights=None):
        return batch * self._formula(weights or {name: w * self.mask[name] for name, w in self.weights.items()})

    def curved_loss(self, batch, weights=None):
        return self.loss(batch, weights)


class NetworkProblem:
    """Two 1 × 1 convolutions from two channels to two, with biases and a norm; only what SynFlow looks at."""

    def __init__(self, first, second):
        self.cnn = nn.Sequential(
            nn.Conv2d(2, len(first), 1), nn.InstanceNorm2d(len(first)), nn.ReLU(), nn.Conv2d(len(first), 2, 1)
        )
        self.model = nn.Sequential(self.cnn)
        self.weights = {
            "0.0.weight": torch.tensor(first)[..., None, None],
            "0.3.weight": torch.tensor(second)[..., None, None],
        }
        self.mask = Mask.full(self.weights)
        self.generator = torch.Generator().manual_seed(0)

    def networks(self):
        return {"0": self.cnn}


class ChannelProblem(ToyProblem):
    """A chain of three convolutions with a norm and a bias in float64, on noise; keeps `pruners.Problem`."""

    def __init__(self, seed=0):
        draw = torch.Generator().manual_seed(seed)
        self.cnn = nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1, bias=False),
            nn.InstanceNorm2d(3),
            nn.LeakyReLU(0.2),
            nn.Conv2d(3, 4, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 2, 1),
        ).double()
        self.model = nn.Sequential(self.cnn)
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
        self.weights = {n: p.detach() for n, p in self.model.named_parameters() if n.endswith("weight")}
        self.mask = Mask.full(self.weights)
        self.generator = torch.Generator().manual_seed(seed + 1)
        self._data = list(torch.randn(16, 2, 1, 2, 8, 8, generator=draw, dtype=torch.float64))

    def networks(self):
        return {"0": self.cnn}

    def channels(self):
        return coupled(self.networks(), self.weights)

    def loss(self, batch, weights=None):
        used = weights or {name: weight * self.mask[name] for name, weight in self.weights.items()}
        inputs, targets = batch
        return (torch.func.functional_call(self.model, used, (inputs,)) - targets).square().mean()
