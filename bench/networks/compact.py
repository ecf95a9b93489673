"""Networks without the channels that do nothing: found from their zeros, written as a plan and smaller weights."""

import json
from dataclasses import asdict
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from architectures import Architecture, Variant, architectures, build
from architectures.compaction import Kept, Plan, compacted
from bench.machine.randomness import generator
from pruners.channels import Channels, removable
from pruners.coupling import NoChannelsError, coupled
from records.trial import RecordedTrial
from registries import RequestError
from registries.files import replacing

ABOUT = "compact network"


def compaction_plan(model: Architecture) -> Plan:
    """What a network can do without, by its weights that are exactly zero; one channel of each layer stays.

    Nothing, where the channels of a network cannot be removed.

    Parameters
    ----------
    model : Architecture
        With pruned weights zero.

    Raises
    ------
    RequestError
        If Torch-Pruning is not installed.
    """
    weights = {name: part.weight.detach().cpu() for name, part in model.prunable().items()}
    try:
        channels = coupled(model.networks(), weights)
    except NoChannelsError:
        return {}
    parameters = dict(model.named_parameters())
    biased = [name for name in weights if f"{name.removesuffix('weight')}bias" in parameters]
    gone = removable(channels, weights, biased)
    kept = {name: ~flags | (flags.all() & (torch.arange(len(flags)) == 0)) for name, flags in gone.items()}
    return {
        name.removesuffix(".weight"): _kept(name, weight, channels, kept, model) for name, weight in weights.items()
    }


def _kept(
    name: str, weight: torch.Tensor, channels: Channels, kept: dict[str, torch.Tensor], model: Architecture
) -> Kept:
    """Of one convolution the outputs that are made and the inputs that are read."""
    places = {axis: set(range(weight.shape[axis])) for axis in (0, 1)}
    for layer, flags in kept.items():
        for slices in (*channels[layer].makes, *channels[layer].reads):
            if slices.weight == name:
                places[slices.axis] -= {place for place, stays in zip(slices.places, flags, strict=True) if not stays}
    transposed = isinstance(model.get_submodule(name.removesuffix(".weight")), torch.nn.ConvTranspose2d)
    outputs, inputs = (1, 0) if transposed else (0, 1)
    return Kept(tuple(sorted(places[outputs])), tuple(sorted(places[inputs])))


def compact(model: Architecture) -> tuple[Architecture, Plan]:
    """The smaller network of the same output, and its plan.

    Raises
    ------
    RequestError
        If Torch-Pruning is not installed, or the network has parts that cannot be made smaller.
    """
    plan = compaction_plan(model)
    try:
        return compacted(model, plan), plan
    except ValueError as error:
        raise RequestError(f"{type(model).__name__}: cannot be made smaller: {error}") from None


def write_compact(path: Path, model: Architecture, plan: Plan, trial: RecordedTrial) -> None:
    """Write a compact network: its weights, and in the header what it was made of; nothing that would be executed.

    Parameters
    ----------
    path : Path
    model : Architecture
    plan : Plan
        What the whole network is without.
    trial : mapping
        As in the record of the whole network.
    """
    about = {
        "kind": ABOUT,
        "architecture": trial.arch,
        "version": architectures.get(trial.arch).identity.version,
        "size": trial.size,
        "width": trial.resolved.width,
        "variant": trial.resolved.variant,
        "plan": {name: asdict(kept) for name, kept in plan.items()},
    }
    with replacing(path) as temporary:
        weights = {name: value.contiguous() for name, value in model.state_dict().items()}
        safetensors.torch.save_file(weights, temporary, {"about": json.dumps(about)})


def read_compact(path: Path) -> Architecture:
    """Build the network that `write_compact` wrote; Torch-Pruning is not needed.

    Raises
    ------
    RequestError
        If it is no such file.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
        if about["version"] != architectures.get(about["architecture"]).identity.version:
            raise RequestError(f"{path}: is of version {about['version']} of '{about['architecture']}'")
        plan = {name: Kept(**{side: tuple(v) for side, v in kept.items()}) for name, kept in about["plan"].items()}
        variant = Variant.from_json(about.get("variant", {}))
        whole = build(about["architecture"], about["size"], generator(0, "any weights"), about["width"], variant)
        small = compacted(whole, plan)
        small.load_state_dict(safetensors.torch.load_file(path))
    except RequestError:
        raise
    except Exception as error:  # whatever somebody's file holds
        raise RequestError(f"{path}: is not a valid compact network ({type(error).__name__}: {error})") from None
    return small.eval()
