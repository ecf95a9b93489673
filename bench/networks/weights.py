"""A network in one file: its weights, and in the header what it takes to build it again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from architectures import Architecture, Variant, architectures, build
from bench.machine.randomness import generator
from bench.networks.pretrained import load_weights
from bench.store.keys import Context
from records.trial import Trial
from registries import Identity, RequestError
from registries.files import replacing

FILE = "weights.safetensors"
SCHEMA = 1
"""Layout of the header."""


@dataclass(frozen=True)
class WeightsDescription:
    """What a file of weights says about itself.

    Attributes
    ----------
    architecture : Identity
        Name, version and where its code comes from.
    size : str
    width : float
        Factor of the numbers of channels.
    variant : Variant
        What deviates from the network that the architecture declares.
    row : str
        Name of the row, which says how it was pruned.
    train_on : str
        Training set.
    acceleration, seed : int
        Of the training.
    preparation : mapping
        How k-space became samples: undersampling, coil maps, cropping; as in the record.
    precision : str
        Of the CNNs in training: ``float32``, ``tf32`` or ``bf16``.
    """

    architecture: Identity
    size: str
    width: float
    variant: Variant
    row: str
    train_on: str
    acceleration: int
    seed: int
    preparation: Mapping[str, Any]
    precision: str = "float32"

    @classmethod
    def of(cls, trial: Trial, context: Context) -> "WeightsDescription":
        """That of the network which a trial ends with."""
        return cls(
            architecture=context.architecture,
            size=context.size,
            width=context.width,
            variant=Variant.from_json(context.variant),
            row=str(trial.row),
            train_on=trial.train_on,
            acceleration=trial.acceleration,
            seed=trial.seed,
            preparation=context.preparation,
            precision=str(context.training["precision"]),
        )

    def to_metadata(self) -> dict[str, str]:
        """As it stands in the header: texts by name."""
        identity = {"architecture": self.architecture.name, "version": self.architecture.version}
        values = {name: value for name, value in asdict(self).items() if name not in ("architecture", "variant")}
        values |= {**identity, "origin": self.architecture.origin, "variant": self.variant.to_json(), "schema": SCHEMA}
        texts = {name: v if isinstance(v, str) else json.dumps(v, sort_keys=True) for name, v in values.items()}
        return {"format": "pt", **texts}

    @classmethod
    def from_metadata(cls, found: Mapping[str, str]) -> "WeightsDescription":
        """As `to_metadata` gave it; raises `ValueError` and `KeyError` where it did not."""
        preparation, width = json.loads(found["preparation"]), float(found["width"])
        if not isinstance(preparation, dict):
            raise ValueError("the preparation is not an object")
        if not (isfinite(width) and width > 0):
            raise ValueError(f"a width of {width}")
        return cls(
            architecture=Identity(found["architecture"], int(found["version"]), found["origin"]),
            size=found["size"],
            width=width,
            variant=Variant.from_json(json.loads(found["variant"])),
            row=found["row"],
            train_on=found["train_on"],
            acceleration=int(found["acceleration"]),
            seed=int(found["seed"]),
            preparation=preparation,
            precision=found["precision"],
        )


def write_weights(path: Path, weights: Mapping[str, Tensor], description: WeightsDescription) -> None:
    """Write a state dict and its description as safetensors; equal ones give equal bytes.

    Parameters
    ----------
    path : Path
    weights : mapping of str to Tensor
        With pruned weights zero.
    description : WeightsDescription
    """
    content = memoryview(safetensors.torch.save(dict(weights)))
    start = 8 + int.from_bytes(content[:8], "little")
    # the library writes metadata in another order each time
    header = {"__metadata__": description.to_metadata(), **json.loads(bytes(content[8:start]))}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at multiples of eight bytes
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.write(content[start:])


def described(path: Path) -> WeightsDescription | None:
    """What a file says about its network; None if it says nothing, as files from elsewhere and older ones.

    Raises
    ------
    RequestError
        If it is not a safetensors file although it is called one, or says what cannot be understood.
    """
    if path.suffix != ".safetensors":
        return None
    if not path.is_file():
        raise RequestError(f"{path}: {'is not a regular file' if path.exists() else 'no such file'}")
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except Exception as error:  # the library raises whatever it meets
        raise RequestError(f"{path}: is not a valid safetensors file ({type(error).__name__})") from None
    if "schema" not in metadata:
        return None
    if metadata["schema"] != str(SCHEMA):
        raise RequestError(
            f"{path}: its description has layout {metadata['schema']}, and this version reads layout {SCHEMA}"
        )
    try:
        return WeightsDescription.from_metadata(metadata)
    except Exception as error:  # whatever somebody's file holds
        raise RequestError(f"{path}: its description is damaged ({type(error).__name__}: {error})") from None


def network_of(description: WeightsDescription, where: str) -> Architecture:
    """The network that is described, with arbitrary weights.

    Parameters
    ----------
    description : WeightsDescription
    where : str
        What messages begin with.

    Raises
    ------
    RequestError
        If the architecture is unknown here, of another version or code, or has no such size or option.
    """
    wanted = description.architecture
    try:
        known = architectures.get(wanted.name).identity
    except RequestError as error:
        raise RequestError(f"{where}: {error}; a network of your own needs --plugin FILE") from None
    if known != wanted:
        raise RequestError(
            f"{where}: is of version {wanted.version} of '{wanted.name}' ({wanted.origin}), and here is version "
            f"{known.version} ({known.origin}); use the code it was trained with"
        )
    arguments = generator(0, "any weights"), description.width, description.variant
    try:
        return build(wanted.name, description.size, *arguments).eval()
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from None
    except Exception as error:  # whatever a damaged description makes of a network
        raise RequestError(f"{where}: its description fits no network ({type(error).__name__}: {error})") from None


def network_in(path: Path) -> Architecture:
    """The network of a file that describes itself, away from its record; ready to reconstruct.

    Raises
    ------
    RequestError
        If the file says nothing about its network, or its weights are not of the network it describes.
    """
    description = described(path)
    if description is None:
        raise RequestError(f"{path}: does not say which network it is of; name it by --arch and --size")
    model = network_of(description, str(path))
    model.load_state_dict(load_weights(path, model, str(path)))
    return model
