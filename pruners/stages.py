"""Stages: the frozen steps a recipe is made of. They say what is done; `bench` does it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Train:
    """Train on an interval of the one nominal schedule, so that fine-tuning and rewinding are intervals too.

    Attributes
    ----------
    start, stop : int
        First step and the step after the last one, out of the nominal T.
    version : int
        Of the training loop.
    """

    start: int
    stop: int
    version: int = 1

    def __str__(self) -> str:
        return f"train steps {self.start}–{self.stop}"


@dataclass(frozen=True)
class Prune:
    """Score the weights and keep the highest.

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
    version : int
        Of the selection.
    """

    score: str
    sparsity: str
    scope: str
    options: tuple[tuple[str, bool | int | float | str], ...] = ()
    version: int = 1

    def __str__(self) -> str:
        return f"prune {self.sparsity} by {self.score} ({self.scope})"


Stage = Train | Prune
