"""Latency, memory and size of a trained network: whole, with zeros, and without the channels that do nothing."""

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from architectures import Architecture
from architectures.compaction import Plan
from architectures.tuning import VARIANTS
from bench.machine.macs import forward_macs
from bench.machine.numerics import set_numerics
from bench.networks.compact import compact, write_compact
from bench.networks.sparse import write_sparse
from bench.networks.trained import StoredNetwork, whole_network
from bench.speed.inputs import Shape, noise
from bench.speed.timing import device_name, interleaved_times, peak_memory_mb
from bench.tracks.track import find_track
from bench.trials.plugins import load_plugins
from records.record import Record
from records.speed import FILE, SCHEMA
from registries import RequestError
from registries.files import write_json
from registries.reading import read_json
from registries.text import aligned, plural

NETWORKS = ("dense", "masked", "compacted")
FASTMRI = Shape(15, 640, 368)
"""A knee slice, where the data of a record are real."""
WIDER = 1.1
"""Columns of simulated k-space over those of the image, in the mean."""
EQUAL = 1e-4
"""Of the largest value of the image: float32 rounding, which unrolls add up."""


@dataclass(frozen=True)
class Conditions:
    """How it is measured.

    Attributes
    ----------
    shape : Shape
        Of one slice.
    batches : tuple of int
    runs : int
        Of each network, in turn.
    threads : int
    device : str
    variants : tuple of str
        Of `VARIANTS`: dense and compacted networks are also measured in these.
    plugins : tuple of str
        File that registers the architecture.
    """

    shape: Shape
    batches: tuple[int, ...]
    runs: int
    threads: int
    device: str
    variants: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()


def shape_of(record: Record) -> Shape:
    """That of the data of a record, as far as its track tells."""
    if record.provenance.data.kind != "simulated":
        return FASTMRI
    try:
        simulated = find_track(record.trial.resolved.track).simulated()
    except RequestError:  # a track from elsewhere
        return FASTMRI
    return Shape(simulated.coils, simulated.matrix, 2 * round(WIDER * simulated.matrix / 2))


def measure(path: Path, conditions: Conditions) -> dict[str, Any]:
    """Everything that is measured of one record, as it stands in ``speed.json``.

    Raises
    ------
    RequestError
        If there is no network, or the compacted one gives another image than the masked one.
    """
    set_numerics(conditions.threads)
    stored = StoredNetwork.of(path)
    device = torch.device(conditions.device)
    networks, plan = networks_of(stored)
    difference = check_equal(stored, networks["compacted"])
    inputs = noise(conditions.shape, 1, torch.device("cpu"))
    theory = forward_macs(networks["dense"], stored.mask, inputs)
    small = forward_macs(networks["compacted"], stored.mask, inputs)
    trial = stored.record.trial
    return {
        "schema": SCHEMA,
        "mask": stored.mask.sha256,
        "row": stored.record.row,
        "trial": {name: getattr(trial, name) for name in ("size", "train_on", "acceleration", "seed")},
        "track": trial.resolved.track,
        "device": device_name(device),
        "kind": device.type,
        "threads": conditions.threads,
        "torch": torch.__version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "shape": vars(conditions.shape),
        "runs": conditions.runs,
        "difference": difference,
        "macs": {"dense": theory["dense"], "masked": theory["kept"], "compacted": small["dense"]}
        | {"physics": theory["fft_cg"]},
        "parameters": {name: sum(p.numel() for p in model.parameters()) for name, model in networks.items()},
        "bytes": stored_bytes(stored, networks["compacted"], plan),
        "batches": {str(n): _timed(stored.folder, networks, conditions, n) for n in conditions.batches},
    }


def networks_of(stored: StoredNetwork) -> tuple[dict[str, Architecture], Plan]:
    """Dense, masked and compacted, and the plan of the last; the dense one has arbitrary weights."""
    small, plan = compact(stored.model)
    return dict(zip(NETWORKS, (whole_network(stored.record), stored.model, small), strict=True)), plan


def check_equal(stored: StoredNetwork, small: Architecture) -> float:
    """Difference of the images of a network and of its compacted copy, relative to the largest value.

    Raises
    ------
    RequestError
        If it is more than rounding.
    """
    difference = relative_difference(stored.model, small, shape_of(stored.record))
    if not difference <= EQUAL:
        raise RequestError(
            f"{stored.folder}: without its empty channels the network gives another image ({difference:.2g} of it): "
            "it has parts that do not leave zero at zero"
        )
    return difference


@torch.no_grad()
def relative_difference(one: Architecture, other: Architecture, shape: Shape) -> float:
    """Largest difference of two images, relative to the largest value."""
    first, second = (model(*noise(shape, 1, torch.device("cpu"))) for model in (one, other))
    return float((first - second).abs().max() / first.abs().max())


def stored_bytes(stored: StoredNetwork, small: Architecture, plan: Plan) -> dict[str, int]:
    """Sizes of files: all weights, one bit per weight and the kept values, the compact network."""
    with tempfile.TemporaryDirectory() as place:
        paths = {name: Path(place) / name for name in ("dense", "sparse", "compacted")}
        weights = {name: value.contiguous() for name, value in stored.model.state_dict().items()}
        safetensors.torch.save_file(weights, paths["dense"])
        write_sparse(paths["sparse"], weights, stored.mask)
        write_compact(paths["compacted"], small, plan, stored.record.trial)
        return {name: path.stat().st_size for name, path in paths.items()}


def _timed(folder: Path, networks: Mapping[str, Architecture], conditions: Conditions, batch: int) -> dict[str, Any]:
    """Milliseconds, quartiles of ratios to the dense run beside it, and MiB, by network and variant."""
    device = torch.device(conditions.device)
    inputs = noise(conditions.shape, batch, device)
    names = [*NETWORKS, *(f"{name} {v}" for v in conditions.variants for name in ("dense", "compacted"))]
    calls = {name: forward(_varied(networks, name, device), inputs) for name in names}
    times = interleaved_times(calls, conditions.runs, device)
    found = {}
    for name in names:
        low, median, high = (1000 * float(q) for q in np.quantile(times[name], (0.25, 0.5, 0.75)))
        ratios = [own / other for own, other in zip(times[name], times["dense"], strict=True)]
        memory = peak_memory_mb(partial(_prepared, folder, name, conditions, batch), device)
        found[name] = {
            "median_ms": median,
            "quartiles_ms": [low, high],
            "relative": [float(q) for q in np.quantile(ratios, (0.25, 0.5, 0.75))],
            "peak_mib": memory,
        }
    return found


def _varied(networks: Mapping[str, Architecture], name: str, device: torch.device) -> Architecture:
    kind, _, variant = name.partition(" ")
    model = copy.deepcopy(networks[kind]).to(device)
    if variant:
        VARIANTS[variant](model)
    return model


def _prepared(folder: Path, name: str, conditions: Conditions, batch: int) -> Callable[[], object]:
    """One network alone, in a process of its own."""
    load_plugins(conditions.plugins)
    set_numerics(conditions.threads)
    device = torch.device(conditions.device)
    stored = StoredNetwork.of(folder)
    return forward(_varied(networks_of(stored)[0], name, device), noise(conditions.shape, batch, device))


def forward(model: Architecture, inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    """A forward pass without gradients, to be timed."""

    def run() -> Tensor:
        with torch.no_grad():
            image: Tensor = model(*inputs)
            return image

    return run


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """The measurements of one record for people."""
    shape = Shape(**found["shape"])
    yield f"{found['row']} · seed {found['trial']['seed']} · {shape}"
    threads = f", {plural(found['threads'], 'thread')}" if found["kind"] == "cpu" else ""
    yield f"{found['device']}{threads}; {found['runs']} runs in turn; compacted differs by {found['difference']:.1e}"
    rows = [["network", "", "batch", "median ms", "quartiles", "dense / it", "peak MiB", "MACs", "parameters"]]
    dense = found["macs"]["dense"]
    for batch, timed in found["batches"].items():
        for name, value in timed.items():
            kind = name.partition(" ")[0]
            low, high = value["quartiles_ms"]
            memory = "n/a" if value["peak_mib"] is None else f"{value['peak_mib']:.0f}"
            share = f"{100 * found['macs'][kind] / dense:.1f} %"
            parameters = f"{found['parameters'][kind]:,}"
            times = [f"{value['median_ms']:.1f}", f"{low:.1f}–{high:.1f}", f"{1 / value['relative'][1]:.2f}"]
            rows.append([name, "", batch, *times, memory, share, parameters])
    yield from aligned(rows)
    sizes = found["bytes"]
    yield (
        f"stored: all weights {_kib(sizes['dense'])}, bit mask and values {_kib(sizes['sparse'])}, "
        f"compacted {_kib(sizes['compacted'])}"
    )


def _kib(number: int) -> str:
    return f"{number / 1024:,.0f} KiB"


def write(path: Path, found: Mapping[str, Any]) -> Path:
    """Keep the measurements beside a record, one of each device."""
    file = (path if path.is_dir() else path.parent) / FILE
    try:
        known = read_json(file) if file.exists() else []
        others = [one for one in known if (one["device"], one["mask"]) != (found["device"], found["mask"])]
    except (OSError, ValueError, KeyError, TypeError):
        raise RequestError(f"{file}: holds no measurements of speed; remove it") from None
    write_json(file, [*others, found])
    return file
