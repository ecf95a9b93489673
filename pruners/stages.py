"""Stages: the frozen steps a recipe is made of. They say what is done; `bench` does it."""

from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from pruners.mask import Mask

Values = tuple[tuple[str, bool | int | float | str], ...]
"""Options of an entry by name, sorted."""


@runtime_checkable
class MaskUpdate(Protocol):
    """A frozen value called inside a training with the raw gradients: gives the mask from this step on.

    A plug-in's dataclass will do; its fields and its version are part of the stage's key.
    """

    @property
    def version(self) -> int: ...  # noqa: D102

    def due(self, step: int) -> bool:
        """Whether the mask may change at this step."""

    def __call__(self, moment: Any) -> Mask:
        """The mask from now on; ``moment`` is a `pruners.contract.Moment`."""


@dataclass(frozen=True)
class Train:
    """Train on an interval of the one nominal schedule, so that fine-tuning and rewinding are intervals too.

    Attributes
    ----------
    start, stop : int
        First step and the step after the last one, out of the nominal T.
    update : MaskUpdate or None
        Changes the mask on the way.
    choices : int
        0 keeps the last weights; otherwise those of the best of so many evenly spaced steps, by the loss on the
        validation patients (early stopping).
    version : int
        Of the training loop.
    """

    start: int
    stop: int
    update: MaskUpdate | None = None
    choices: int = 0
    version: int = 1

    def __str__(self) -> str:
        words = f"train steps {self.start}–{self.stop}"
        if self.update is not None:
            words += f", {self.update}"
        return f"{words}, best of {self.choices} on validation" if self.choices else words


@dataclass(frozen=True)
class Prune:
    """Score the weights and keep the highest, at once or in rounds of geometrically falling density.

    Attributes
    ----------
    score : str
        Name of a registered pruner.
    sparsity : str
        Decimal fraction of the prunable weights that is removed when the stage ends.
    scope : str
        Of the competition: see `Mask.from_scores`.
    options : tuple of (str, value)
        Arguments of the score.
    rounds : int
        Number of times the weights are scored anew, each time under the mask found so far.
    revives : bool
        Whether a later round may keep what an earlier one removed.
    lowest : bool
        Keep the lowest scores instead: the control ``invert``.
    version : int
        Of the selection.
    """

    score: str
    sparsity: str
    scope: str
    options: Values = ()
    rounds: int = 1
    revives: bool = False
    lowest: bool = False
    version: int = 1

    def __str__(self) -> str:
        rounds = f", {self.rounds} rounds" if self.rounds > 1 else ""
        return f"prune {self.sparsity} by {'lowest ' if self.lowest else ''}{self.score} ({self.scope}{rounds})"


@dataclass(frozen=True)
class LearnMask:
    """Learn the probability of each weight to be kept, then keep the most probable ones.

    Attributes
    ----------
    sparsity, scope : str
        As in `Prune`, of the logits.
    steps : int
        Of the search.
    joint : bool
        Train the weights as well, on steps 0 to ``steps`` of the nominal schedule, while the sampled mask hardens into
        that of the most probable weights. Otherwise the weights are frozen.
    temperature, final_temperature : float
        Of the relaxed Bernoulli samples (Maddison et al. 2017): first and last, geometric in between.
    kl : float
        Weight of the mean Kullback–Leibler divergence from Bernoulli(density), in units of ``kl_unit``.
    kl_unit : str
        ``gradient``: |∂loss/∂logit| of the data loss summed over the logits, mean over the first ten steps, in which
        there is no divergence; slopes are rescaled by it. ``loss``: the first data loss.
    kl_over : str
        ``weights``: mean of the divergence of each; ``layers``: of each layer's mean probability.
    probability : float
        At the start, of each weight; 0 for the density.
    rate : float
        Learning rate of Adam for the logits.
    straight_through : bool
        Round the samples in the forward pass, with the gradient of the relaxed ones (Bengio et al. 2013).
    protect_last : bool
        Keep the last convolution of each network whole.
    lowest : bool
        Keep the least probable ones instead: the control ``invert``.
    version : int
        Of the search.
    """

    sparsity: str
    scope: str
    steps: int
    joint: bool = False
    temperature: float = 0.2
    final_temperature: float = 0.2
    kl: float = 2.0
    kl_unit: str = "gradient"
    kl_over: str = "weights"
    probability: float = 0.5
    rate: float = 0.1
    straight_through: bool = False
    protect_last: bool = False
    lowest: bool = False
    version: int = 4

    def __str__(self) -> str:
        what = "mask and weights together" if self.joint else "a mask of frozen weights"
        lowest = "lowest of " if self.lowest else ""
        return f"learn {what} for {self.steps} steps, prune {self.sparsity} by {lowest}logits ({self.scope})"


@dataclass(frozen=True)
class LearnChannels(LearnMask):
    """As `LearnMask`, with one probability per channel."""

    def __str__(self) -> str:
        return f"{super().__str__()}, whole channels"


@dataclass(frozen=True)
class Rewind:
    """Set the weights back to those of an earlier step of this recipe, bit for bit; the mask stays.

    Attributes
    ----------
    to : int
        Nominal step; 0 is θ₀, any other one the first at which a training of this recipe stopped.
    """

    to: int
    version: int = 1

    def __str__(self) -> str:
        return f"rewind weights to step {self.to}"


@dataclass(frozen=True)
class Transform:
    """Change mask or weights by a control: ``shuffle``, ``random-layerwise`` or ``reinit``."""

    control: str
    version: int = 1

    def __str__(self) -> str:
        return f"control {self.control}"


@dataclass(frozen=True)
class TransformChannels(Transform):
    """As `Transform`, of masks of whole channels."""

    def __str__(self) -> str:
        return f"{super().__str__()} of channels"


@dataclass(frozen=True)
class Given:
    """Take the weights of a network somebody has, in place of a training.

    Attributes
    ----------
    steps : int
        What the training is billed as.
    sha256 : str
        Of the weights.
    """

    steps: int
    sha256: str
    version: int = 1

    def __str__(self) -> str:
        return f"take given weights {self.sha256[:12]} for a training of {self.steps} steps"


Stage = Train | Prune | LearnMask | Rewind | Transform | Given


def values_of(stage: Stage) -> dict[str, Any]:
    """All values of a stage with the kinds of its parts, as they stand in keys and records."""
    values = {"kind": type(stage).__name__, **asdict(stage)}
    update = stage.update if isinstance(stage, Train) else None
    if update is not None:
        values["update"] = {"kind": type(update).__name__, **values["update"]}
    return values


def changes_mask(stage: Stage) -> bool:
    """Whether the mask may be another one after the stage."""
    return isinstance(stage, Prune | LearnMask) or (isinstance(stage, Train) and stage.update is not None)


def changes_weights(stage: Stage) -> bool:
    """Whether the stage may make weights that no stage before had."""
    if isinstance(stage, LearnMask):
        return stage.joint
    return not isinstance(stage, Prune | Rewind)


def sparsity_after(stage: Stage) -> str | None:
    """Fraction removed when the stage ends, or None if it removes nothing more."""
    if isinstance(stage, Prune | LearnMask):
        return stage.sparsity
    found = getattr(stage.update, "sparsity", None) if isinstance(stage, Train) else None
    return found if isinstance(found, str) else None
