"""Everything besides its stages that can change a trial's result, and the keys made of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pruners import Stage
from pruners.stages import values_of
from registries import Identity
from registries.hashing import content_key


@dataclass(frozen=True)
class Context:
    """The circumstances of a trial; two trials of equal context and equal stages are the same computation.

    Attributes
    ----------
    architecture : Identity
    size : str
    width : float
        Factor of the numbers of channels.
    variant : dict
        What deviates from the network that the architecture declares; empty for that network, whose version says it.
    data : str
        Identity of the training data.
    train_on : str
    preparation : dict
        Undersampling, coil maps, cropping.
    training : dict
        Loss, T, batch, learning rate and schedule, precision.
    groups : str
        Which weights are prunable.
    seed : int
    protocol : str
    numerics : dict
        Device type, threads, version of torch.
    edits : str
        Fingerprint of the suite's sources where they are not those of a commit; otherwise empty, and in no key.
    """

    architecture: Identity
    size: str
    width: float
    variant: dict[str, Any]
    data: str
    train_on: str
    preparation: dict[str, Any]
    training: dict[str, Any]
    groups: str
    seed: int
    protocol: str
    numerics: dict[str, Any]
    edits: str = ""

    @property
    def key(self) -> str:
        """Key of the state before the first stage."""
        values = asdict(self)
        for name in ("variant", "edits"):
            if not values[name]:
                del values[name]
        return content_key(values)


def stage_key(previous: str, stage: Stage, entries: Sequence[Identity]) -> str:
    """Key of the state after a stage: a hash of the previous key, the stage's values and whose code it runs."""
    return content_key(
        {"previous": previous, "stage": values_of(stage), "entries": [asdict(entry) for entry in entries]}
    )
