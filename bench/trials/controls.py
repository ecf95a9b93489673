"""Controls of a trial: on a mask, or on `dense` as a fair partner of pruned rows."""

from dataclasses import dataclass, replace

from architectures import Variant, architectures
from architectures.width import count_parameters, narrowed
from bench.tracks.settings import TrainingSettings
from pruners import Plan, PrunerEntry, Stage, Train, kept_count
from pruners.contract import fine_tuning
from pruners.controls import OF_MASK, with_control
from pruners.granularity import WEIGHTS, Granularity
from pruners.stages import LearnMask, Prune, changes_mask
from records.row_name import parse_sparsity
from registries import RequestError
from registries.text import offer

OF_DENSE = ("long", "wd", "early-stop", "small")
WEIGHT_DECAY = 0.1
"""Of ``wd``, where ``--set train.weight_decay`` does not say another one."""
CHOICES = 16
"""Steps among which ``early-stop`` chooses."""
SMALL_PARTNER = "0.9"


@dataclass(frozen=True)
class Control:
    """A checked control.

    Attributes
    ----------
    name : str or None
        As it stands in the row's name; None for no control.
    sparsity : str
        Of the row whose size ``small`` shares: written ``small-0.97``, or ``small`` for 0.9.
    """

    name: str | None = None
    sparsity: str = "0"

    @classmethod
    def parse(cls, text: str | None, entry: PrunerEntry, timing: str | None) -> "Control":
        """Check a control against the pruner and the timing.

        Raises
        ------
        RequestError
            If there is no such control, or not for this pruner and timing.
        """
        if text is None:
            return cls()
        kind, _, sparsity = text.partition("-") if text.startswith("small") else (text, "", "")
        if kind not in (*OF_DENSE, *OF_MASK):
            raise RequestError(
                f"unknown control '{text}': {offer(text, [*OF_MASK, *OF_DENSE])} (the last {len(OF_DENSE)} of dense)"
            )
        if (kind in OF_DENSE) != (timing is None):
            there = OF_DENSE if timing is None else OF_MASK
            raise RequestError(f"control '{text}' is not for pruner '{entry.name}': use {', '.join(there)}")
        if timing == "while":
            raise RequestError(
                f"control '{text}' does not exist at timing 'while': the mask is not found at one moment"
            )
        if kind != "small":
            return cls(text)
        try:
            partner = parse_sparsity(sparsity or SMALL_PARTNER)
        except RequestError:
            partner = "0"
        if partner == "0":
            raise RequestError(f"control '{text}': write small-SPARSITY of the row to compare with, e.g. small-0.97")
        return cls("small" if partner == SMALL_PARTNER else f"small-{partner}", partner)

    def training(self, settings: TrainingSettings) -> TrainingSettings:
        """The settings under this control."""
        if self.name == "wd" and settings.weight_decay == 0:
            return replace(settings, weight_decay=WEIGHT_DECAY)
        return settings

    def recipe(self, stages: tuple[Stage, ...], plan: Plan, granularity: Granularity = WEIGHTS) -> tuple[Stage, ...]:
        """The stages under this control of a mask of that granularity.

        Raises
        ------
        RequestError
            If there is no mask to control.
        """
        if self.name in OF_MASK:
            if plan.sparsity == "0" or not any(changes_mask(stage) for stage in stages):
                raise RequestError(f"control '{self.name}': nothing is pruned at sparsity {plan.sparsity}")
            if self.name == "invert" and not any(isinstance(stage, Prune | LearnMask) for stage in stages):
                raise RequestError("control 'invert': this pruner has no scores to invert")
            return with_control(stages, granularity.control(str(self.name)), plan.steps)
        if self.name == "long":
            return (*stages, fine_tuning(plan))
        if self.name == "early-stop":
            return (Train(0, plan.steps, choices=min(CHOICES, plan.steps)),)
        return stages

    def width(self, architecture: str, size: str, prunable: int, variant: Variant) -> float:
        """Factor of the numbers of channels: 1, or that of a network as large as the pruned one."""
        if self.name is None or not self.name.startswith("small"):
            return 1.0
        entry = architectures.get(architecture)
        removed = prunable - kept_count(prunable, self.sparsity)
        return narrowed(entry, size, count_parameters(entry, size, variant=variant) - removed, variant)
