"""Everything besides its stages that can change a trial's result, and the keys made of it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from pruners import Stage
from registries import Identity


@dataclass(frozen=True)
class Context:
    """The circumstances of a trial; two trials of equal context and equal stages are the same computation.

    Attributes
    ----------
    architecture : Identity
    size : str
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
    """

    architecture: Identity
    size: str
    data: str
    train_on: str
    preparation: dict[str, Any]
    training: dict[str, Any]
    groups: str
    seed: int
    protocol: str
    numerics: dict[str, Any]

    @property
    def key(self) -> str:
        """Key of the state before the first stage."""
        return content_key(asdict(self))


def stage_key(previous: str, stage: Stage, entry: Identity | None) -> str:
    """Key of the state after a stage: a hash of the previous key, the stage's values and whose score it uses."""
    return content_key(
        {
            "previous": previous,
            "stage": type(stage).__name__,
            "values": asdict(stage),
            "entry": asdict(entry) if entry else None,
        }
    )


def content_key(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
