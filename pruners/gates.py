"""What a selection is made of: one gate per weight, or one per channel."""

from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from pruners.channels import Channels
from pruners.mask import Mask, kept_count


class Gates(Protocol):
    """Switches of which some stay open, by name, each a tensor of values."""

    @property
    def available(self) -> Mapping[str, Tensor]:
        """Boolean: which may stay open."""

    def factors(self, values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What each weight is multiplied with, in a shape that broadcasts; differentiable."""

    def select(self, scores: Mapping[str, Tensor], keep: int, scope: str) -> Mask:
        """The mask that keeps ``keep`` weights, of the highest scores."""

    def open_in(self, mask: Mask) -> Mapping[str, Tensor]:
        """Boolean: which are open in a mask."""

    def density(self, sparsity: str) -> float:
        """Fraction of the available gates that are open at a sparsity of all weights."""

    def over(self, mask: Mask) -> "Gates":
        """Gates of the same kind within another mask."""


class WeightGates:
    """One gate per weight that a mask keeps.

    Parameters
    ----------
    within : Mask
    whole : iterable of str
        Weights that have no gates, as all of them that the mask keeps stay.
    """

    def __init__(self, within: Mask, whole: Iterable[str] = ()) -> None:
        self._within = within
        chosen = set(whole)
        self._whole = {name: flags for name, flags in within.items() if name in chosen}
        self._gated = Mask({name: flags for name, flags in within.items() if name not in chosen})

    @property
    def available(self) -> Mapping[str, Tensor]:
        """What the mask keeps."""
        return self._gated

    def factors(self, values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The values themselves, and ones for what stays whole."""
        device = next(iter(values.values())).device
        whole = {name: torch.ones(flags.shape, device=device) for name, flags in self._whole.items()}
        return {name: values[name] if name in values else whole[name] for name in self._within}

    def select(self, scores: Mapping[str, Tensor], keep: int, scope: str) -> Mask:
        """See `Mask.from_scores`."""
        number = keep - sum(int(flags.sum()) for flags in self._whole.values())
        chosen = Mask.from_scores(scores, number, scope, within=self._gated)
        return Mask({name: self._whole[name] if name in self._whole else chosen[name] for name in self._within})

    def open_in(self, mask: Mask) -> Mapping[str, Tensor]:
        """The mask itself, where there are gates."""
        return {name: mask[name] for name in self._gated}

    def density(self, sparsity: str) -> float:
        """By exact counts."""
        whole = sum(int(flags.sum()) for flags in self._whole.values())
        return (kept_count(self._within.total, sparsity) - whole) / self._gated.kept

    def over(self, mask: Mask) -> "WeightGates":
        """The same weights stay whole."""
        return WeightGates(mask, self._whole)


class ChannelGates:
    """One gate per channel that a mask keeps."""

    def __init__(self, channels: Channels, within: Mask) -> None:
        self._channels = channels
        self._within = within

    @property
    def available(self) -> Mapping[str, Tensor]:
        """Channels of which something is kept."""
        return self._channels.kept(self._within)

    def factors(self, values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """On the slices that read a channel, so that a gate acts once."""
        return self._channels.factors(values, ("reads",))

    def select(self, scores: Mapping[str, Tensor], keep: int, scope: str) -> Mask:
        """See `Channels.select`."""
        return self._channels.select(scores, keep, scope, self._within)

    def open_in(self, mask: Mask) -> Mapping[str, Tensor]:
        """Channels of which something is kept."""
        return self._channels.kept(mask)

    def density(self, sparsity: str) -> float:
        """By removing about the same share of each layer."""
        keep = kept_count(self._within.total, sparsity)
        even = {name: torch.zeros(layer.size) for name, layer in self._channels.items()}
        return self._channels.number_kept(self.select(even, keep, "layer-wise")) / self._channels.number_kept(
            self._within
        )

    def over(self, mask: Mask) -> "ChannelGates":
        """Of the same channels."""
        return ChannelGates(self._channels, mask)
