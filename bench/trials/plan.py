"""From a resolved request to everything a trial needs: data, device, keys."""

from dataclasses import asdict, dataclass, replace
from decimal import ROUND_DOWN, Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from architectures import architectures
from architectures.outline import Outline, outline
from bench.evaluation.inputs import evaluation_inputs
from bench.evaluation.scoring import TestData
from bench.machine.gpus import counting_device
from bench.machine.numerics import TF32, describe_numerics, set_numerics
from bench.networks.pretrained import hash_of, load_given
from bench.stages.workspace import Workspace
from bench.store.keys import Context, stage_key
from bench.trials.budget import Estimator, within_budget
from bench.trials.data import OpenData, TrialData, choose_data, open_data
from bench.trials.request import Request, Resolved, resolve
from datasets import samples
from datasets.manifest import identity_of
from pruners import Given, LearnMask, Train, kept_count
from pruners.channels import Channels
from pruners.contract import identities_of
from pruners.granularity import granularity_of
from pruners.paths import last_convolutions
from registries import RequestError, suite
from registries.hashing import content_key

CAPS = ("validation_slices", "validation_total")
"""They stand in keys where a track has them."""
LOADER_WORKERS = 4
"""Per GPU; `speed loader` measures what more would bring."""


@dataclass(frozen=True)
class PlannedTrial:
    """A trial ready to be carried out.

    Attributes
    ----------
    resolved : Resolved
    workspace : Workspace
    data : TrialData
    context : Context
        Everything besides the stages that can change the result.
    estimator : Estimator
        Of what the stages will cost.
    out : Path
        Folder of all outputs.
    format : str
        Of the pictures.
    """

    resolved: Resolved
    workspace: Workspace
    data: TrialData
    context: Context
    estimator: Estimator
    out: Path
    format: str = "png"

    @property
    def test(self) -> TestData:
        """What the network is scored on."""
        return self.data.test

    @property
    def store(self) -> Path:
        """Where stages are kept."""
        return self.out / ".store"

    def set_numerics(self) -> None:
        """Let this process compute as the trial's numerics say."""
        set_numerics(self.resolved.track.threads, self.workspace.device, self.workspace.training.precision)

    def recomputing(self) -> "PlannedTrial":
        """The same trial with less memory and more time: networks compute again what they do not keep."""
        return replace(self, workspace=replace(self.workspace, recompute=True))

    @cached_property
    def folder(self) -> Path:
        """Where the outputs go: readable parts, and a hash of all that the record depends on."""
        trial = self.resolved.trial
        digest = content_key(
            {
                "key": stage_keys(self)[-1],
                "evaluation": self.evaluation_inputs,
                "pruner": asdict(self.resolved.entry.identity),
                "budget": self.resolved.budget,
                "track": self.resolved.track.name,
                "trial": trial.to_json(),
            }
        )
        row = trial.row.replace("/", "-")
        where = f"{trial.size}_{trial.train_on}-{trial.acceleration}x_seed{trial.seed}"
        return self.out / f"{row}_{where}_{digest[:8]}"

    @cached_property
    def evaluation_inputs(self) -> dict[str, Any]:
        """What the scores of a given network depend on."""
        data = self.data
        content = identity_of(self.test.volumes) if data.summary.kind == "real" else data.summary.identity
        context = self.context
        return evaluation_inputs(self.test, data.shifts, str(content), context.preparation, context.numerics)


def plan(request: Request, opened: OpenData | None = None) -> PlannedTrial:
    """Open the data and make every remaining choice; writes nothing but manifests and simulated data in the cache.

    Parameters
    ----------
    request : Request
    opened : OpenData, optional
        What the request names, where it was opened before.

    Raises
    ------
    RequestError
        For anything that makes the trial impossible.
    """
    resolved = resolve(request)
    device = choose_device(request.device)
    if resolved.track.training.precision == TF32 and device.type != "cuda":
        raise RequestError(f"train.precision {TF32}: only a GPU has it; use --device cuda, or float32")
    opened = opened or open_data(resolved.track, request.data, request.annotations, [request.train_on])
    data = choose_data(resolved, opened, device)
    workspace = _workspace(resolved, data, device, request.loader_workers)
    counting = counting_device(device)  # on a CPU what a GPU is for may not fit
    estimator = Estimator(replace(workspace, device=counting, recompute=counting != device))
    resolved = within_budget(resolved, estimator)
    workspace = replace(workspace, training=resolved.track.training)
    if request.dense_weights:
        resolved, workspace = _with_given(resolved, workspace, Path(request.dense_weights))
    return PlannedTrial(resolved, workspace, data, _context(resolved, data, workspace), estimator, Path(request.out))


def _workspace(resolved: Resolved, data: TrialData, device: torch.device, loader_workers: int | None) -> Workspace:
    """What the stages work with, if it can hold them."""
    trial, track = resolved.trial, resolved.track
    workspace = Workspace(
        architecture=trial.arch,
        size=trial.size,
        width=resolved.width,
        variant=resolved.variant,
        data=data.batches(resolved),
        validation=data.validation_batches(resolved),
        training=track.training,
        groups=resolved.groups,
        seed=trial.seed,
        device=device,
        given={},
        channels=Channels({}, {}),
        loader_workers=_loader_workers(device) if loader_workers is None else loader_workers,
    )
    if workspace.validation is None and any(isinstance(s, Train) and s.choices for s in resolved.stages):
        raise RequestError(
            f"control '{trial.control}': there are too few training patients to have validation patients"
        )
    network = outline(architectures.get(trial.arch), trial.size, resolved.width, resolved.variant)
    _check_protected(resolved, network)
    weights = {name: part.weight.detach() for name, part in network.prunable(resolved.groups).items()}
    channels = granularity_of(resolved.entry).channels(network.model.networks(), weights, trial.sparsity)
    return replace(workspace, channels=channels)


def _context(resolved: Resolved, data: TrialData, workspace: Workspace) -> Context:
    """What the keys of the stages begin with."""
    trial, track = resolved.trial, resolved.track
    preparation = data.test.preparation
    return Context(
        architecture=architectures.get(trial.arch).identity,
        size=workspace.size,
        width=workspace.width,
        variant=workspace.variant.to_json(),
        data=data.identity,
        train_on=trial.train_on,
        preparation={
            "version": samples.VERSION if data.summary.kind == "simulated" else samples.VERSION_OF_REAL_DATA,
            **asdict(preparation),
            "undersampling": preparation.undersampling.to_json(),
            "train_slices": track.data.train_slices,
            "train_total": track.data.train_total,
            **{name: value for name in CAPS if (value := getattr(track.data, name))},
        },
        training=asdict(workspace.training),
        groups=workspace.groups,
        seed=workspace.seed,
        protocol=trial.protocol,
        numerics=describe_numerics(workspace.device, track.threads, workspace.training.precision),
        edits=suite.edits(),
    )


def _with_given(resolved: Resolved, workspace: Workspace, path: Path) -> tuple[Resolved, Workspace]:
    """The same with given weights in place of the first training."""
    first = resolved.stages[0]
    if resolved.trial.timing != "after" or first != Train(0, resolved.plan.steps):
        raise RequestError("--dense-weights: only timing 'after' starts from a trained network")
    if resolved.trial.protocol != "standard":
        raise RequestError("--dense-weights: what that training cost is unknown; use the protocol standard")
    weights = load_given(path, workspace.initial_model())
    digest = hash_of(weights)
    stages = (Given(resolved.plan.steps, digest), *resolved.stages[1:])
    trial = resolved.trial.model_copy(update={"options": {**resolved.trial.options, "dense_weights": digest}})
    return replace(resolved, stages=stages, trial=trial), replace(workspace, given=weights)


def choose_device(name: str) -> torch.device:
    """``auto`` takes the GPU where there is one.

    Raises
    ------
    RequestError
        If the device does not exist here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise RequestError("--device cuda: torch sees no CUDA device here; use --device cpu or auto")
    if name not in ("cpu", "cuda"):
        raise RequestError(f"--device {name}: use auto, cpu or cuda")
    return torch.device(name)


def _loader_workers(device: torch.device) -> int:
    """Threads that keep a GPU busy; on a CPU they would take what the network computes with."""
    return 0 if device.type == "cpu" else LOADER_WORKERS


def stage_keys(planned: PlannedTrial) -> tuple[str, ...]:
    """Key of the state after each stage."""
    keys = [planned.context.key]
    for stage in planned.resolved.stages:
        keys.append(stage_key(keys[-1], stage, identities_of(stage)))
    return tuple(keys[1:])


def _check_protected(resolved: Resolved, network: Outline) -> None:
    """What is kept has to hold the layers that stay whole."""
    if not any(isinstance(stage, LearnMask) and stage.protect_last for stage in resolved.stages):
        return
    sizes = {name: part.weight.numel() for name, part in network.prunable(resolved.groups).items()}
    whole = sum(sizes[name] for name in last_convolutions(network.model.networks()) if name in sizes)
    if whole >= kept_count(sum(sizes.values()), resolved.trial.sparsity):
        most = (1 - Decimal(whole) / sum(sizes.values())).quantize(Decimal("0.001"), ROUND_DOWN)
        raise RequestError(
            f"--sparsity {resolved.trial.sparsity}: the last convolutions that pruner.protect_last keeps are more; "
            f"stay below {most}"
        )
