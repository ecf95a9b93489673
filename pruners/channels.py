"""Channels: what goes when a layer loses one of its outputs, and masks made of whole channels."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pruners.mask import Mask, random_scores

SCOPES = ("global", "layer-wise")


@dataclass(frozen=True)
class Slices:
    """One slice of a weight for each channel.

    Attributes
    ----------
    weight : str
        Name of the weight.
    axis : int
        Along which it is sliced.
    places : tuple of int
        Index of each channel along the axis.
    """

    weight: str
    axis: int
    places: tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """The channels that one layer gives to others.

    Attributes
    ----------
    makes : tuple of Slices
        Filters that produce the channels.
    reads : tuple of Slices
        Slices of the layers that read them; several, where a skip connection hands them on.
    """

    makes: tuple[Slices, ...]
    reads: tuple[Slices, ...]

    @property
    def size(self) -> int:
        """Number of channels."""
        return len(self.makes[0].places)


class Channels(Mapping[str, Layer]):
    """All channels that may be removed, layer by layer, named by the weight that makes them.

    Inputs and outputs of a network are none: somebody outside reads or makes them.

    Parameters
    ----------
    layers : mapping of str to Layer
    shapes : mapping of str to Size
        Of all prunable weights, also of those without channels.
    """

    def __init__(self, layers: Mapping[str, Layer], shapes: Mapping[str, torch.Size]) -> None:
        self._layers = dict(layers)
        self._shapes = dict(shapes)

    def __getitem__(self, name: str) -> Layer:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def total(self) -> int:
        """Number of channels of all layers."""
        return sum(layer.size for layer in self.values())

    @property
    def weights(self) -> int:
        """Number of prunable weights."""
        return sum(shape.numel() for shape in self._shapes.values())

    def sums(self, values: Mapping[str, Tensor], sides: Sequence[str] = ("makes", "reads")) -> dict[str, Tensor]:
        """For each channel the sum of a tensor per weight over its slices.

        Parameters
        ----------
        values : mapping of str to Tensor
            One tensor of the shape of each weight.
        sides : sequence of str
            ``makes``, ``reads`` or both. θ ⊙ ∂L/∂θ summed over ``reads`` is the derivative of the loss with respect
            to a gate on the channel, whatever norm and activation stand before it.
        """
        return {
            name: torch.stack([_sliced_sum(values[s.weight], s) for side in sides for s in getattr(layer, side)]).sum(0)
            for name, layer in self.items()
        }

    def factors(self, gates: Mapping[str, Tensor], sides: Sequence[str] = ("makes", "reads")) -> dict[str, Tensor]:
        """Gates of channels as a factor of each weight, in a shape that broadcasts; differentiable.

        Parameters
        ----------
        gates : mapping of str to Tensor
            One value per channel of each layer.
        sides : sequence of str
            Which slices a gate multiplies; on ``reads`` it acts once.
        """
        some = next(iter(gates.values()))
        lines: dict[tuple[str, int], Tensor] = {}
        for name, layer in self.items():
            for slices in (s for side in sides for s in getattr(layer, side)):
                key = slices.weight, slices.axis
                line = lines.get(key, some.new_ones(self._shapes[slices.weight][slices.axis]))
                places = torch.tensor(slices.places, device=some.device)
                lines[key] = line.index_copy(0, places, gates[name])
        found = {name: some.new_ones([1] * len(shape)) for name, shape in self._shapes.items()}
        for (name, axis), line in lines.items():
            shape = [1] * len(self._shapes[name])
            shape[axis] = -1
            found[name] = found[name] * line.reshape(shape)
        return found

    def mask(self, kept: Mapping[str, Tensor]) -> Mask:
        """Keep the weights that belong to no removed channel.

        Parameters
        ----------
        kept : mapping of str to Tensor
            Boolean, one per channel of each layer.
        """
        factors = self.factors({name: flags.to(torch.uint8) for name, flags in kept.items()})
        return Mask({name: factors[name].expand(shape).bool() for name, shape in self._shapes.items()})

    def kept(self, mask: Mask) -> dict[str, Tensor]:
        """Which channels a mask leaves: those with a kept weight that makes and one that reads them."""
        ones = {name: flags.to(torch.float32) for name, flags in mask.items()}
        made, read = self.sums(ones, ("makes",)), self.sums(ones, ("reads",))
        return {name: (made[name] > 0) & (read[name] > 0) for name in self}

    def number_kept(self, mask: Mask) -> int:
        """How many channels of all layers a mask leaves."""
        return sum(int(flags.sum()) for flags in self.kept(mask).values())

    def select(self, scores: Mapping[str, Tensor], keep: int, scope: str, within: Mask) -> Mask:
        """Remove the channels of the lowest scores, until at most ``keep`` weights are kept.

        The highest channel of each layer stays, so that no network is cut. Ties go to the channel that comes first.

        Parameters
        ----------
        scores : mapping of str to Tensor
            One finite score per channel of each layer.
        keep : int
            Number of weights.
        scope : str
            ``global``: all channels compete; ``layer-wise``: by their rank in their layer, so that layers lose about
            the same fraction.
        within : Mask
            Only what it keeps may be kept.

        Raises
        ------
        ValueError
            For scores that are not finite or of other channels, an unknown scope, or if one channel in each layer
            takes more weights.
        """
        self._check(scores, scope)
        available = self.kept(within)
        names = list(self)
        ranks = {name: _ranks(scores[name], available[name]) for name in names}
        values = scores if scope == "global" else {n: -ranks[n] / max(1, int(available[n].sum())) for n in names}
        flat = torch.cat([values[name].detach().double() for name in names])
        allowed = torch.cat([available[name] for name in names])
        best = torch.cat([ranks[name] == 0 for name in names])
        order = torch.argsort(flat, descending=True, stable=True)
        # two stable sorts: first what is available, in it the best of each layer, in them by score
        order = order[torch.argsort((allowed.int() + (allowed & best).int())[order], descending=True, stable=True)]
        sizes = [self[name].size for name in names]

        def first(number: int) -> Mask:
            flags = torch.zeros_like(allowed)
            flags[order[:number]] = True
            return self.mask(dict(zip(names, torch.split(flags, sizes), strict=True))) & within

        low, high = int((allowed & best).sum()), int(allowed.sum()) + 1
        if first(low).kept > keep:
            raise ValueError(f"one channel in each layer takes {first(low).kept} weights, more than {keep}")
        # the largest number whose mask is small enough
        while low + 1 < high:
            middle = (low + high) // 2
            low, high = (middle, high) if first(middle).kept <= keep else (low, middle)
        return first(low)

    @property
    def fewest_weights(self) -> int:
        """How many weights one channel in each layer takes."""
        one = {name: torch.arange(layer.size) == 0 for name, layer in self.items()}
        return self.mask(one).kept

    def shuffled(self, mask: Mask, generator: torch.Generator) -> Mask:
        """As many channels of each layer, at random."""
        found = {}
        for name, flags in self.kept(mask).items():
            found[name] = flags[torch.randperm(flags.numel(), generator=generator)]
        return self.mask(found)

    def random_scores(self, generator: torch.Generator) -> dict[str, Tensor]:
        """See `pruners.mask.random_scores`."""
        return random_scores({name: torch.empty(layer.size) for name, layer in self.items()}, generator)

    def _check(self, scores: Mapping[str, Tensor], scope: str) -> None:
        if scope not in SCOPES:
            raise ValueError(f"channels compete {' or '.join(SCOPES)}, not '{scope}'")
        if set(scores) != set(self):
            raise ValueError("scores and channels name different layers")
        for name, score in scores.items():
            if score.shape != (self[name].size,):
                raise ValueError(f"score of '{name}' has shape {tuple(score.shape)}, not {(self[name].size,)}")
            if not torch.isfinite(score).all():
                raise ValueError(f"score of '{name}' is not finite everywhere")


def removable(channels: Channels, weights: Mapping[str, Tensor], biased: Iterable[str] = ()) -> dict[str, Tensor]:
    """Channels without which a network gives the same: nobody reads them, or they are zero everywhere.

    Found again and again, since what only a removed channel reads is read by nobody. A channel without filter is zero
    if it has no bias, as norms without parameters and (leaky) ReLU leave zero at zero; networks that do otherwise
    have to be compared afterwards.

    Parameters
    ----------
    channels : Channels
    weights : mapping of str to Tensor
        With zeros where a mask removed them.
    biased : iterable of str
        Layers that add a bias to their channels.

    Returns
    -------
    dict
        Boolean, one per channel of each layer.
    """
    named = set(biased)
    with_bias = {name for name, layer in channels.items() if any(made.weight in named for made in layer.makes)}
    used = {name: (weight != 0).to(torch.float32) for name, weight in weights.items()}
    gone = {name: torch.zeros(layer.size, dtype=torch.bool) for name, layer in channels.items()}
    while True:
        made, read = channels.sums(used, ("makes",)), channels.sums(used, ("reads",))
        found = {n: (read[n] == 0) | ((made[n] == 0) & (n not in with_bias)) for n in channels}
        if all(torch.equal(found[name], gone[name]) for name in channels):
            return gone
        gone = {name: gone[name] | found[name] for name in channels}
        left = channels.factors({name: (~flags).to(torch.float32) for name, flags in gone.items()})
        used = {name: value * left[name] for name, value in used.items()}


def _sliced_sum(value: Tensor, slices: Slices) -> Tensor:
    chosen = value.index_select(slices.axis, torch.tensor(slices.places, device=value.device))
    return chosen.movedim(slices.axis, 0).flatten(1).sum(1)


def _ranks(scores: Tensor, available: Tensor) -> Tensor:
    """0 for the highest available score, 1 for the next; others come last."""
    order = torch.argsort(scores.detach().double().masked_fill(~available, -torch.inf), descending=True, stable=True)
    ranks = torch.empty(scores.numel(), dtype=torch.float64)
    ranks[order] = torch.arange(scores.numel(), dtype=torch.float64)
    return ranks
