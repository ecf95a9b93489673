"""Which shifts a trial is evaluated under, and the scores there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec

from bench.evaluation.scoring import Progress, Reconstruct, Scores, TestData, score
from datasets.shifts import ShiftEntry, Trained, shifts
from datasets.undersampling import missing_sigpy
from datasets.volumes import Volume


@dataclass(frozen=True)
class Shift:
    """A shift of a trial.

    Attributes
    ----------
    entry : ShiftEntry
    test : TestData
        The volumes concerned, prepared under the shift.
    """

    entry: ShiftEntry
    test: TestData

    @property
    def name(self) -> str:
        """As users type it."""
        return self.entry.name


def choose_shifts(names: Iterable[str], trained: Trained, test: TestData) -> tuple[tuple[Shift, ...], dict[str, str]]:
    """The shifts that are shifts for a network so trained, and why others are not."""
    chosen, unavailable = [], {}
    for name in names:
        entry = shifts.get(name)
        reason = entry.unfit(trained)
        if reason is None:
            shifted = _shifted(entry, trained, test)
            if shifted.splits:
                reason = _impossible(shifted)
            if shifted.splits and reason is None:
                chosen.append(Shift(entry, shifted))
            elif not shifted.splits:
                reason = "there is no test volume that it would change"
        if reason is not None:
            unavailable[name] = reason
    return tuple(chosen), unavailable


def _impossible(test: TestData) -> str | None:
    """Why these volumes cannot be measured so, if they cannot."""
    undersampling = test.preparation.undersampling
    if undersampling.pattern == "poisson" and find_spec("sigpy") is None:
        return str(missing_sigpy("pattern-poisson"))
    narrow = [volume for volume in test.volumes if undersampling.centre_lines(volume.columns) < 1]
    return f"leaves no calibration line of the {narrow[0].columns} columns of {narrow[0].name}" if narrow else None


def _shifted(entry: ShiftEntry, trained: Trained, test: TestData) -> TestData:
    if entry.change is not None:
        changed = entry.change(test.preparation)
        least = changed.virtual_coils or 0
        concerned = {split: tuple(v for v in volumes if v.coils > least) for split, volumes in test.splits.items()}
        return replace(test, preparation=changed, splits={s: volumes for s, volumes in concerned.items() if volumes})
    members: dict[str, tuple[Volume, ...]] = {
        split: tuple(v for v in volumes if entry.member is not None and entry.member(v, trained))
        for split, volumes in test.splits.items()
    }
    return replace(test, splits={split: volumes for split, volumes in members.items() if volumes})


def shifted_scores(
    network: Reconstruct, chosen: Iterable[Shift], usual: Scores, progress: Progress
) -> Mapping[str, Scores]:
    """Scores by shift; another population is measured alike, so that its scores are the usual ones."""
    found: dict[str, Scores] = {}
    for shift in chosen:
        if shift.entry.change is None:
            found[shift.name] = {volume.name: usual[volume.name] for volume in shift.test.volumes}
        else:
            found[shift.name] = score({"network": network}, shift.test, progress)["network"]
    return found
