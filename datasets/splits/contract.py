"""How an evaluation split is registered."""

from collections.abc import Callable
from dataclasses import dataclass

from datasets.annotations import Annotations
from datasets.manifest import Manifest
from datasets.volumes import Volume
from registries import Identity, Registry, identify
from registries.registry import key_of, summary_of


class UnavailableError(Exception):
    """The data at hand hold no such split; the message says why, and the record keeps it."""


Select = Callable[[Manifest, Annotations | None], tuple[Volume, ...]]


@dataclass(frozen=True)
class SplitEntry:
    """A registered evaluation split.

    Attributes
    ----------
    select : callable
        ``(manifest, annotations) -> test volumes``; raises `UnavailableError`.
    """

    name: str
    summary: str
    source: str
    identity: Identity
    select: Select


splits: Registry[SplitEntry] = Registry("split", "datasets.splits")


def split(*, version: int, source: str) -> Callable[[Select], Select]:
    """Register the function below as an evaluation split."""

    def register(select: Select) -> Select:
        name = key_of(select)
        splits.add(SplitEntry(name, summary_of(select), source, identify(name, version, select), select))
        return select

    return register


def evaluation_volumes(manifest: Manifest, anatomy: str) -> tuple[Volume, ...]:
    """The `*_val` volumes of an anatomy: always test, since fastMRI's own test sets have no targets.

    Raises
    ------
    UnavailableError
        If there are none.
    """
    volumes = manifest.select(anatomy, "multicoil_val")
    if not volumes:
        raise UnavailableError(f"no volume in {anatomy}/multicoil_val")
    return volumes
