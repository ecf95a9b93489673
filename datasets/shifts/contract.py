"""How a shift is registered: another measurement of the same volumes, or another population of volumes."""

from collections.abc import Callable
from dataclasses import dataclass

from datasets.annotations import Annotations
from datasets.samples import Preparation
from datasets.volumes import Volume
from registries import Identity, Registry, identify


@dataclass(frozen=True)
class Trained:
    """What a network was trained on.

    Attributes
    ----------
    preparation : Preparation
    anatomies, acquisitions : frozenset of str or None
        Of its training volumes; None where nobody knows.
    clean : bool
        Whether only volumes without findings were among them.
    annotations : Annotations or None
        fastMRI+'s, of the test volumes.
    """

    preparation: Preparation
    anatomies: frozenset[str] | None
    acquisitions: frozenset[str] | None
    clean: bool
    annotations: Annotations | None


Change = Callable[[Preparation], Preparation]
Member = Callable[[Volume, Trained], bool]
Unfit = Callable[[Trained], str | None]


@dataclass(frozen=True)
class ShiftEntry:
    """A registered shift.

    Attributes
    ----------
    change : callable or None
        Of the preparation of every volume of every split; None for another population.
    member : callable or None
        Whether a volume belongs to the other population; None for another measurement.
    unfit : callable
        Why this is no shift for a network so trained, or None.
    """

    name: str
    summary: str
    source: str
    identity: Identity
    change: Change | None
    member: Member | None
    unfit: Unfit


shifts: Registry[ShiftEntry] = Registry("shift", "datasets.shifts")


def measurement(name: str, summary: str, change: Change, *, version: int, source: str) -> None:
    """Register another way to measure the same volumes."""

    def unfit(trained: Trained) -> str | None:
        same = change(trained.preparation) == trained.preparation
        return "this is how the network was trained" if same else None

    shifts.add(ShiftEntry(name, summary, source, identify(name, version, change), change, None, unfit))


def population(name: str, summary: str, member: Member, unfit: Unfit, *, version: int, source: str) -> None:
    """Register other volumes, measured alike."""
    shifts.add(ShiftEntry(name, summary, source, identify(name, version, member), None, member, unfit))
