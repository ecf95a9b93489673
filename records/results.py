"""Results of a trial: mask, cost, convergence, scores."""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from records.fields import Part, about, sequence

Number = int | float | None
BASELINE_WORDS = {"zero_filled": "zero-filled", "cg_sense": "CG-SENSE", "empty": "empty", "oracle": "oracle"}
COUNTS = ("boxes", "compared", "shams")
"""Scores of a volume that are summed over a split; others are averaged."""
TOLERANCE = 1e-6
"""Relative difference between a figure and what it follows from that is due to rounding."""


class Layer(Part):
    """What is kept of one weight."""

    name: str = about("in the network")
    group: str = about("`denoiser` or `sensitivity`")
    kept: int = about("weights", ge=0)
    total: int = about("weights", ge=1)


class Channels(Part):
    """Whole channels that are kept."""

    kept: int = about("channels", ge=0)
    total: int = about("channels", ge=1)


class Search(Part):
    """What came of a search for a mask; losses are those of training batches, before the training under the mask."""

    soft_loss: float = about("with the probabilities as they were learned")
    hard_loss: float = about("under the mask that is kept")
    random_loss: float = about("under random masks of the same size, mean")
    lowest_random_loss: float = about("under the best of these random masks")
    unpruned_loss: float = about("of the whole network")
    divergence: float = about("of the probabilities from the density, Kullback–Leibler", unit="nat")
    divergence_unit: float = about("factor of the divergence in the objective", default=0.0, ge=0)
    mean_probability: float = about("after the search", default=0.0, ge=0, le=1)
    density: float = about("that was asked for", default=0.0, ge=0, le=1)
    failed: bool = about("whether the mask is no better than the best random one")
    not_converged: bool = about("whether the mean probability is far from the density", default=False)


class MaskSummary(Part):
    """What is kept."""

    requested: str = about("sparsity that was asked for")
    achieved: float = about("share of the prunable weights that is removed", ge=0, le=1)
    kept: int = about("weights", ge=0)
    prunable: int = about("weights that could be removed", ge=1)
    parameters: int = about("all parameters of the network", ge=1)
    compression: float = about("all parameters ÷ those that are not removed", ge=1)
    seen: str = about("what the mask has seen", pattern="^(nothing|data|trained weights)$")
    overlap: float | None = about(
        "share of kept weights that masks from two sets of batches have in common", ge=0, le=1
    )
    search: Search | None = about("of a learned mask")
    disconnected: tuple[str, ...] = sequence("networks that no path of kept weights passes", default=())
    channels: Channels | None = about("where whole channels are removed", default=None)
    layers: tuple[Layer, ...] = sequence("prunable weights")
    sha256: str = about("of the mask's content", pattern="^[0-9a-f]{64}$")

    @property
    def keeps_what_was_asked_for(self) -> bool:
        """Up to rounding; of whole channels as many as fit."""
        surplus = self.kept - (1 - Decimal(self.requested)) * self.prunable
        return surplus < 1 and (self.channels is not None or surplus > -1)

    @model_validator(mode="after")
    def _follows_from_layers(self) -> Self:
        kept, total = (sum(getattr(layer, name) for layer in self.layers) for name in ("kept", "total"))
        if (kept, total) != (self.kept, self.prunable):
            raise ValueError(f"kept {self.kept} of {self.prunable}, but layers sum to {kept} of {total}")
        if any(layer.kept > layer.total for layer in self.layers):
            raise ValueError("a layer keeps more than it has")
        _same("achieved", self.achieved, 1 - self.kept / self.prunable, absolute=TOLERANCE)
        _same("compression", self.compression, self.parameters / max(1, self.parameters - self.prunable + self.kept))
        return self


class StageBill(Part):
    """Cost of a stage."""

    name: str = about("what was done")
    steps: int = about("optimizer steps", ge=0)
    macs: int = about("multiply–accumulates, masked zeros included", ge=0)
    seconds: float = about("of this machine", unit="s", ge=0)
    reused: bool = about("whether it was there from an earlier trial")


class Macs(Part):
    """Multiply–accumulates of one forward pass on a test slice."""

    dense: int = about("of the CNNs, executed", ge=1)
    kept: int = about("of the CNNs, those of kept weights", ge=0)
    fft_cg: int = about("of Fourier transforms and conjugate gradients", ge=0)


class Cost(Part):
    """What the trial cost, and what its network costs."""

    stages: tuple[StageBill, ...] = sequence("in order")
    relative: float = about("of all stages, in dense trainings of T steps", ge=0)
    macs: Macs = about("of the network")
    latency_ms: float = about("median of a forward pass on this machine", unit="ms", ge=0)
    peak_memory_mb: float = about("of this process", unit="MB", ge=0)
    recomputed: bool = about(
        "whether networks kept little for the backward pass and computed it again, as their size asks for or memory "
        "was short; changes memory and seconds alone",
        default=False,
    )


class Convergence(Part):
    """How well the network fits at the end of its training."""

    psnr_at_gate: float | None = about("on validation patients before the last fifth of T", unit="dB", default=None)
    psnr_at_end: float = about("on validation patients", unit="dB")
    validation_loss: float | None = about("on validation patients", default=None)
    training_loss: float | None = about("on as many batches of training patients", default=None)


class Scores(BaseModel):
    """Figures of merit by name; docs/methods.md defines them."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    psnr: float = about("peak signal-to-noise ratio", unit="dB")
    ssim: float = about("structural similarity")
    nmse: float = about("normalised squared error")

    @property
    def metrics(self) -> Mapping[str, Number]:
        """All of them by name."""
        return {"psnr": self.psnr, "ssim": self.ssim, "nmse": self.nmse, **self.__pydantic_extra__}

    def __getitem__(self, metric: str) -> float:
        """A metric that was taken.

        Raises
        ------
        KeyError
            If there is none.
        """
        value = self.metrics[metric]
        if value is None:
            raise KeyError(metric)
        return value


class SplitScores(Scores):
    """Means over the volumes of a split; boxes of findings are summed."""

    volumes: int = about("how many were scored", ge=1)
    patients: int = about("how many patients these are of", ge=1)


class VolumeScores(Scores):
    """Scores of one test volume."""

    split: str = about("it belongs to")
    shift: str | None = about("changed condition, null for that of the training")
    volume: str = about("file, below the data's folder")
    patient: str = about("whose it is")
    anatomy: str = about("`knee` or `brain`")
    acquisition: str = about("as the file says")


BySplit = dict[str, SplitScores]


def _same(what: str, found: float, expected: float, absolute: float = 0.0) -> None:
    if not math.isfinite(expected) or abs(found - expected) > max(absolute, TOLERANCE * abs(expected)):
        raise ValueError(f"{what} is {found:g}, but {expected:g} follows from the rest")


def check_means(metrics: BySplit, volumes: tuple[VolumeScores, ...], shift: str | None = None) -> None:
    """Means of a split, under a shift or without, are those of its volumes.

    Raises
    ------
    ValueError
        Naming the split and the metric.
    """
    for split, means in metrics.items():
        name, _, anatomy = split.removesuffix(")").partition(" (")
        own = [one for one in volumes if one.split == name and one.shift == shift and anatomy in ("", one.anatomy)]
        if len(own) != means.volumes or len({one.patient for one in own}) != means.patients:
            raise ValueError(f"metrics of {split} are of {means.volumes} volumes, but {len(own)} are listed")
        for metric, value in means.metrics.items():
            expected = _combined(metric, [one.metrics.get(metric) for one in own])
            if (value is None) != (expected is None):
                raise ValueError(f"{metric} of {split} is {value}, but {expected} follows from the volumes")
            if value is not None and expected is not None:
                _same(f"{metric} of {split}", value, expected)


def _combined(metric: str, values: list[Number]) -> Number:
    """Mean of what was taken; numbers of boxes are summed."""
    known = [value for value in values if value is not None]
    if metric in COUNTS:
        return sum(known)
    return math.fsum(known) / len(known) if known else None
