"""What stages hand to each other: weights and mask; and what a stage cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from architectures import Architecture
from architectures.contract import ALL_GROUPS
from bench.store.curve import Curve
from pruners import Mask, Stage


@dataclass(frozen=True)
class State:
    """A point between two stages.

    Attributes
    ----------
    weights : mapping of str to Tensor
        The whole state dict, on the CPU. Weights the mask removes hold their last value until training starts.
    mask : Mask
        On the CPU.
    """

    weights: Mapping[str, Tensor]
    mask: Mask

    @classmethod
    def of(cls, model: Architecture, mask: Mask | None = None, groups: str = ALL_GROUPS) -> "State":
        """Copy the weights of a model; without a mask everything in these groups is prunable and kept."""
        weights = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        full = mask or Mask.full({name: part.weight for name, part in model.prunable(groups).items()})
        return cls(weights, Mask({name: kept.cpu() for name, kept in full.items()}))

    def masked_weights(self) -> dict[str, Tensor]:
        """The whole state dict with pruned weights exactly zero."""
        return {
            name: torch.where(self.mask[name], value, 0) if name in self.mask else value
            for name, value in self.weights.items()
        }


@dataclass(frozen=True)
class Spent:
    """Steps, multiply–accumulates and seconds, what was found on the way, and the curve."""

    steps: int
    macs: int
    seconds: float
    findings: Mapping[str, float] = field(default_factory=dict)
    curve: Curve = ()


@dataclass(frozen=True)
class StageCost:
    """What a stage took.

    Attributes
    ----------
    name : str
        The stage in words.
    steps : int
        Optimizer steps.
    macs : int
        Multiply–accumulates of all convolutions executed, forward and backward, dense.
    seconds : float
    reused : bool
        Whether the store answered; the cost is billed all the same.
    findings : mapping of str to float
        What the stage found out about its mask; not a cost.
    curve : Curve
        What an optimisation recorded; not a cost. None of other stages, and of those in stores of earlier versions.
    """

    name: str
    steps: int = 0
    macs: int = 0
    seconds: float = 0.0
    reused: bool = False
    findings: Mapping[str, float] = field(default_factory=dict)
    curve: Curve = ()

    @classmethod
    def of(cls, stage: Stage, spent: Spent) -> "StageCost":
        """What a loop took."""
        chosen = spent.findings.get("chosen_step")
        name = str(stage) if chosen is None else f"{stage}: step {chosen:.0f}"
        return cls(name, spent.steps, spent.macs, spent.seconds, findings=dict(spent.findings), curve=spent.curve)

    def finding(self, **found: float) -> "StageCost":
        """The same with more findings."""
        return replace(self, findings={**self.findings, **found})


@dataclass(frozen=True)
class Checkpoint:
    """A stage half done.

    Attributes
    ----------
    step : int
        The next step to do.
    tensors : mapping of str to Tensor
        Weights and optimizer state.
    macs, seconds
        Spent so far.
    """

    step: int
    tensors: Mapping[str, Tensor]
    macs: int
    seconds: float
