"""Trained networks from what users have: the folder of a trial, or a file of weights from anywhere."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from architectures import architectures, build
from architectures.contract import ArchitectureEntry, Variant
from bench.machine.randomness import generator
from bench.networks.pretrained import hash_of, load_weights
from bench.networks.weights import WeightsDescription, described, network_of
from bench.use.network import TrainedNetwork
from datasets import samples
from datasets.undersampling import Undersampling
from pruners import Mask
from records.provenance import Data, Entry, Numerics, Provenance
from records.record import FILE, Record
from records.row_name import DENSE, RowName
from registries import RequestError

SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
UNKNOWN = "unknown"
"""What a file of weights was trained on, where it does not say so."""


def found_trials(names: Sequence[str | Path]) -> list[Path]:
    """Folders of finished trials: those named, and those inside folders named; files are taken as they are.

    Raises
    ------
    RequestError
        If there is none in one of them, or one named did not finish.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name)
        inside = (
            [path] if path.is_file() or (path / FILE).is_file() else sorted(p.parent for p in path.glob(f"*/{FILE}"))
        )
        if not path.exists():
            raise RequestError(f"{name}: does not exist")
        if not inside:
            raise RequestError(f"{name}: holds no {FILE}; name the folder of a trial, e.g. results/modl-dense_…")
        found += inside
    return list(dict.fromkeys(found))


def open_network(path: Path, device: torch.device, arch: str | None = None, size: str | None = None) -> TrainedNetwork:
    """The network of a trial's folder or record, or of a file of weights.

    Parameters
    ----------
    path : Path
    device : torch.device
    arch, size : str, optional
        Of a file of weights that does not describe itself.

    Raises
    ------
    RequestError
        If the trial did not finish, or the weights are not of the network.
    """
    if path.suffix not in SUFFIXES or path.is_dir():
        if arch or size:
            raise RequestError(f"{path}: its record says which network it is; drop --arch and --size")
        return TrainedNetwork.of(path, device)
    if path.name == "weights.safetensors" and path.with_name(FILE).is_file() and not (arch or size):
        return TrainedNetwork.of(path.parent, device)
    return _of_weights(path, device, arch, size)


def _of_weights(path: Path, device: torch.device, arch: str | None, size: str | None) -> TrainedNetwork:
    description = described(path)
    if description is None or arch or size:
        entry, size = _named(path, arch, size)
        model = build(entry.name, size, generator(0, "any weights")).eval()
        description = _without_description(entry, size)
    else:
        model = network_of(description, str(path))
    weights = load_weights(path, model, str(path))
    model.load_state_dict(weights)
    kept = {name: part.weight.detach() != 0 for name, part in model.prunable().items()}
    record = _record(description, hash_of(weights))
    return TrainedNetwork.on(device, record, model, Mask(kept), path.parent)


def _named(path: Path, arch: str | None, size: str | None) -> tuple[ArchitectureEntry, str]:
    if arch is None or size is None:
        missing = "--arch NAME and --size SIZE" if arch is None else "--size SIZE"
        raise RequestError(
            f"{path}: does not say which network it is of; add {missing}, e.g. --arch e2e-varnet --size paper"
        )
    entry = architectures.get(arch)
    entry.arguments(size)
    return entry, size


def _without_description(entry: ArchitectureEntry, size: str) -> WeightsDescription:
    """What is taken for granted of weights from elsewhere: fastMRI's usual condition, nothing cropped."""
    preparation = {
        "version": samples.VERSION_OF_REAL_DATA,
        "undersampling": Undersampling().to_json(),
        "maps": {"kind": "low-resolution"},
        "crop_readout": False,
    }
    row = str(RowName(entry.name, DENSE))
    return WeightsDescription(entry.identity, size, 1.0, Variant(), row, UNKNOWN, 4, 0, preparation)


def _record(description: WeightsDescription, digest: str) -> Record:
    """What a trial with these weights would have been, as far as anybody knows; without results."""
    row = RowName.parse(description.row)
    preparation = {name: value for name, value in description.preparation.items() if value is not None}
    trial: dict[str, Any] = {
        "arch": description.architecture.name,
        "size": description.size,
        "pruner": row.pruner,
        "timing": row.timing,
        "sparsity": row.sparsity,
        "train_on": description.train_on,
        "acceleration": description.acceleration,
        "seed": description.seed,
        "control": row.control,
        "options": {"weights": digest},
        "settings": {**dict(row.settings), "pruner.weights": digest[:8]},
        "resolved": {
            "track": UNKNOWN,
            "evaluation": {"splits": ["knee", "brain", "fastmri-plus"], "shifts": [], "volumes": 0, "slices": 0},
            "preparation": preparation,
            "width": description.width,
            "variant": description.variant.to_json(),
            "training": {"precision": description.precision},
        },
    }
    source = Provenance(
        git=None,
        dirty=None,
        date=None,
        versions={},
        device=UNKNOWN,
        numerics=Numerics(device="cpu"),
        data=Data(),
        seeds={},
        entries=(Entry(**asdict(description.architecture)),),
    )
    return Record.without_results(trial, [], source, "skipped", "its weights were trained elsewhere")
