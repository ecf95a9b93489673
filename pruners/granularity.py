"""What is removed: single weights, or whole channels. Everything that depends on it is asked of one object."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

import torch
from torch import Tensor, nn

from pruners.channels import SCOPES as CHANNEL_SCOPES
from pruners.channels import Channels
from pruners.controls import random_layerwise, shuffled
from pruners.coupling import coupled, has_channels, missing_library
from pruners.entries import CHANNEL, WEIGHT, PrunerEntry
from pruners.gates import ChannelGates, Gates, WeightGates
from pruners.mask import SCOPES, Mask, kept_count
from pruners.stages import LearnChannels, LearnMask, Transform, TransformChannels
from registries import RequestError


@dataclass(frozen=True)
class Granularity(ABC):
    """Counting, selection, random masks and stages of one kind of pruning.

    Attributes
    ----------
    name : str
        As a pruner declares it.
    scored : str
        What a pruner has to score, for messages.
    scopes : tuple of str
        In which scores may compete.
    exact : bool
        Whether any number of weights can be kept; otherwise as many as fit.
    slopes_of_weights : bool
        Whether a search for a mask differentiates by every weight, as a training does.
    libraries : tuple of str
        Whose version decides results besides the suite's own.
    """

    name: str
    scored: str
    scopes: tuple[str, ...]
    exact: bool
    slopes_of_weights: bool
    libraries: tuple[str, ...]

    @abstractmethod
    def missing(self) -> RequestError | None:
        """Why it does not exist here; None where it does."""

    @abstractmethod
    def suits(self, networks: Mapping[str, nn.Module]) -> bool:
        """Whether plain CNNs can be pruned so."""

    @abstractmethod
    def channels(self, networks: Mapping[str, nn.Module], weights: Mapping[str, Tensor], sparsity: str) -> Channels:
        """What is removed besides single weights; raises `RequestError` where so much cannot go."""

    @abstractmethod
    def shapes(self, channels: Channels, mask: Mask) -> Mapping[str, tuple[int, ...]]:
        """Of the scores that a pruner has to give."""

    @abstractmethod
    def gates(self, channels: Channels, within: Mask, whole: Iterable[str] = ()) -> Gates:
        """The gates within a mask that have a score; weights in ``whole`` have none."""

    @abstractmethod
    def fault(self, mask: Mask, channels: Channels, sparsity: str) -> str | None:
        """What is wrong with a mask of that sparsity, in words that follow "keeps"."""

    @abstractmethod
    def number_kept(self, mask: Mask, channels: Channels) -> tuple[int, int] | None:
        """Whole channels that are kept, and all there are; None where there are none to count."""

    @abstractmethod
    def control(self, name: str) -> Transform:
        """The stage of a control of its masks."""

    @abstractmethod
    def controlled(self, control: str, mask: Mask, channels: Channels, draw: torch.Generator) -> Mask:
        """A mask under the control ``shuffle`` or ``random-layerwise``."""


class _Weights(Granularity):
    def missing(self) -> RequestError | None:
        return None

    def suits(self, networks: Mapping[str, nn.Module]) -> bool:
        return True

    def channels(self, networks: Mapping[str, nn.Module], weights: Mapping[str, Tensor], sparsity: str) -> Channels:
        return Channels({}, {})

    def shapes(self, channels: Channels, mask: Mask) -> Mapping[str, tuple[int, ...]]:
        return {name: tuple(kept.shape) for name, kept in mask.items()}

    def gates(self, channels: Channels, within: Mask, whole: Iterable[str] = ()) -> Gates:
        return WeightGates(within, whole)

    def fault(self, mask: Mask, channels: Channels, sparsity: str) -> str | None:
        wanted = kept_count(mask.total, sparsity)
        if mask.kept == wanted:
            return None
        return f"{mask.kept} of {mask.total} weights; sparsity {sparsity} asks for {wanted}"

    def number_kept(self, mask: Mask, channels: Channels) -> tuple[int, int] | None:
        return None

    def control(self, name: str) -> Transform:
        return Transform(name)

    def controlled(self, control: str, mask: Mask, channels: Channels, draw: torch.Generator) -> Mask:
        return {"shuffle": shuffled, "random-layerwise": random_layerwise}[control](mask, draw)


class _Channels(Granularity):
    def missing(self) -> RequestError | None:
        return missing_library()

    def suits(self, networks: Mapping[str, nn.Module]) -> bool:
        return has_channels(networks)

    def channels(self, networks: Mapping[str, nn.Module], weights: Mapping[str, Tensor], sparsity: str) -> Channels:
        channels = coupled(networks, weights)
        fewest, total = channels.fewest_weights, channels.weights
        if fewest > kept_count(total, sparsity):
            most = (1 - Decimal(fewest) / total).quantize(Decimal("0.001"), ROUND_DOWN)
            raise RequestError(
                f"--sparsity {sparsity}: each layer keeps a channel, so that some of these weights have to stay; "
                f"use at most {most}"
            )
        return channels

    def shapes(self, channels: Channels, mask: Mask) -> Mapping[str, tuple[int, ...]]:
        return {name: (layer.size,) for name, layer in channels.items()}

    def gates(self, channels: Channels, within: Mask, whole: Iterable[str] = ()) -> Gates:
        if tuple(whole):
            raise ValueError("channels of a layer cannot be kept from having gates")
        return ChannelGates(channels, within)

    def fault(self, mask: Mask, channels: Channels, sparsity: str) -> str | None:
        wanted = kept_count(mask.total, sparsity)
        if channels.mask(channels.kept(mask)) != mask:
            return "parts of channels"
        return f"{mask.kept} of {mask.total} weights, more than {wanted}" if mask.kept > wanted else None

    def number_kept(self, mask: Mask, channels: Channels) -> tuple[int, int] | None:
        return channels.number_kept(mask), channels.total

    def control(self, name: str) -> Transform:
        return TransformChannels(name)

    def controlled(self, control: str, mask: Mask, channels: Channels, draw: torch.Generator) -> Mask:
        if control == "shuffle":
            return channels.shuffled(mask, draw)
        return channels.select(channels.random_scores(draw), mask.kept, "layer-wise", Mask.full(mask))


WEIGHTS = _Weights(WEIGHT, "weights", SCOPES, exact=True, slopes_of_weights=True, libraries=())
CHANNELS = _Channels(
    CHANNEL, "layers", CHANNEL_SCOPES, exact=False, slopes_of_weights=False, libraries=("torch-pruning",)
)
GRANULARITIES: Mapping[str, Granularity] = {granularity.name: granularity for granularity in (WEIGHTS, CHANNELS)}


def granularity_of(of: PrunerEntry | LearnMask | Transform) -> Granularity:
    """That of a pruner, or of a stage."""
    if isinstance(of, PrunerEntry):
        return GRANULARITIES[of.granularity]
    return CHANNELS if isinstance(of, LearnChannels | TransformChannels) else WEIGHTS
