"""How an evaluation split is registered."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from datasets.annotations import Annotations
from datasets.manifest import EVERYTHING, Manifest
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
    folders : frozenset of str
        ``anatomy/folder``: where its volumes lie.
    """

    name: str
    summary: str
    source: str
    identity: Identity
    select: Select
    folders: frozenset[str] = EVERYTHING


splits: Registry[SplitEntry] = Registry("split", "datasets.splits")


def split(*, version: int, source: str, folders: Iterable[str] = EVERYTHING) -> Callable[[Select], Select]:
    """Register the function below as an evaluation split; only its folders are read where nothing else is asked for."""

    def register(select: Select) -> Select:
        name = key_of(select)
        identity = identify(name, version, select)
        splits.add(SplitEntry(name, summary_of(select), source, identity, select, frozenset(folders)))
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
