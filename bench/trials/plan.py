"""From a resolved request to everything a trial needs: data, device, keys."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import ROUND_DOWN, Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from architectures import architectures
from bench.evaluation import scoring
from bench.evaluation.lesions import BOX_METRICS
from bench.evaluation.metrics import METRICS
from bench.evaluation.scoring import TestData, choose_slices, choose_volumes
from bench.evaluation.shifts import Shift, choose_shifts
from bench.machine.numerics import describe_numerics
from bench.networks.pretrained import hash_of, load_given
from bench.stages.batches import TrainingData
from bench.stages.carry_out import Workspace
from bench.stages.losses import COMPLEX
from bench.store.keys import Context, stage_key
from bench.tracks.track import Track
from bench.trials.budget import Estimator, within_budget
from bench.trials.request import Request, Resolved, resolve
from datasets import boxes, samples
from datasets.annotations import Annotations, read_annotations
from datasets.annotations_report import check_match
from datasets.coil_maps import CoilMaps
from datasets.manifest import Manifest, identity_of, open_manifest
from datasets.roots import DataRoot, find_root
from datasets.samples import Preparation
from datasets.shifts import Trained
from datasets.simulated import embedded_root
from datasets.simulated.generate import simulation_of
from datasets.splits import TrainingSet, UnavailableError, splits, training_set
from datasets.splits.training import parse_training_set
from datasets.undersampling import Undersampling, missing_sigpy
from datasets.volumes import Volume
from pruners import Given, LearnMask, Train, kept_count
from pruners.channels import Channels
from pruners.contract import identities_of
from pruners.entries import CHANNEL
from pruners.paths import last_convolutions
from registries import RequestError
from registries.hashing import content_key


@dataclass(frozen=True)
class PlannedTrial:
    """A trial ready to be carried out.

    Attributes
    ----------
    resolved : Resolved
    workspace : Workspace
    context : Context
    training : TrainingSet
    test : TestData
    shifts : tuple of Shift
    unavailable : mapping of str to str
        Splits the data do not hold and shifts that are none, and why.
    root : DataRoot
    data : mapping
        What the record says of the data.
    estimator : Estimator
        Of what the stages will cost.
    folder : Path
        Where the outputs go.
    store : Path
        Where stages are kept.
    """

    resolved: Resolved
    workspace: Workspace
    context: Context
    training: TrainingSet
    test: TestData
    shifts: tuple[Shift, ...]
    unavailable: Mapping[str, str]
    root: DataRoot
    data: Mapping[str, Any]
    estimator: Estimator
    folder: Path
    store: Path

    @property
    def evaluation_inputs(self) -> dict[str, Any]:
        """What the scores of a given network depend on."""
        return {
            "version": scoring.VERSION,
            "metrics": METRICS,
            "boxes": [BOX_METRICS, boxes.MARGIN, boxes.SHAMS, boxes.SIMILARITY],
            "data": identity_of(self.test.volumes) if self.data["kind"] == "real" else self.data["identity"],
            "volumes": {name: [v.name for v in part] for name, part in self.test.splits.items()},
            "splits": [asdict(splits.get(name).identity) for name in self.test.splits],
            "slices": self.test.slices,
            "shifts": [asdict(shift.entry.identity) for shift in self.shifts],
            "annotations": {name: [asdict(row) for row in rows] for name, rows in self.test.annotations.items()},
            "preparation": self.context.preparation,
            "numerics": self.context.numerics,
        }


@dataclass(frozen=True)
class OpenData:
    """Data that were looked through.

    Attributes
    ----------
    root : DataRoot
    manifest : Manifest
    annotations : Annotations or None
    """

    root: DataRoot
    manifest: Manifest
    annotations: Annotations | None


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
    track, trial = resolved.track, resolved.trial
    device = choose_device(request.device)
    opened = opened or open_data(track, request.data, request.annotations)
    root, manifest, annotations = opened.root, opened.manifest, opened.annotations
    training = training_set(manifest, annotations, trial.train_on)
    if track.maps.kind == "espirit" and find_spec("sigpy") is None:
        raise missing_sigpy("maps.kind=espirit")
    preparation = Preparation(
        Undersampling(trial.acceleration, track.data.pattern, track.data.centre),
        CoilMaps(track.maps.kind),
        track.data.crop_readout,
    )
    chosen, unavailable = _splits(resolved, manifest, annotations)
    marked = {v.name: rows for part in chosen.values() for v in part if annotations and (rows := annotations.of(v))}
    slices = {
        v.name: choose_slices(v, marked.get(v.name, ()), track.evaluation.slices)
        for part in chosen.values()
        for v in part
    }
    test = TestData(chosen, slices, marked, preparation, device)
    _check_calibration([*training.training, *training.validation, *test.volumes], preparation.undersampling)
    trained = Trained(
        preparation,
        frozenset(volume.anatomy for volume in training.training),
        frozenset(volume.acquisition for volume in training.training),
        parse_training_set(trial.train_on)[0] == "knee-clean",
        annotations,
    )
    chosen_shifts, no_shifts = choose_shifts(track.evaluation.shifts, trained, test)
    unavailable |= {f"shift {name}": reason for name, reason in no_shifts.items()}
    simulated = simulation_of(root, manifest)
    data = {
        "kind": "simulated" if simulated else "real",
        "identity": simulated or identity_of(manifest.volumes),
        "training": _describe(training.training),
        "validation": _describe(training.validation),
        "test": {name: _describe(part) for name, part in chosen.items()},
        "unavailable": unavailable,
    }
    workspace = Workspace(
        architecture=trial.arch,
        size=trial.size,
        width=resolved.width,
        variant=resolved.variant,
        data=_training_data(training.training, preparation, resolved, track.data.train_slices, track.data.train_total),
        validation=_training_data(training.validation, preparation, resolved) if training.validation else None,
        training=track.training,
        groups=resolved.groups,
        seed=trial.seed,
        device=device,
        given={},
        channels=Channels({}, {}),
    )
    if workspace.validation is None and any(isinstance(s, Train) and s.choices for s in resolved.stages):
        raise RequestError(
            f"control '{trial.control}': there are too few training patients to have validation patients"
        )
    if resolved.entry.granularity == CHANNEL:
        workspace = workspace.with_channels()
        _check_channels(workspace.channels, trial.sparsity)
    _check_protected(resolved, workspace)
    estimator = Estimator(workspace)
    resolved = within_budget(resolved, estimator)
    workspace = replace(workspace, training=resolved.track.training)
    if request.dense_weights:
        resolved, workspace = _with_given(resolved, workspace, Path(request.dense_weights))
    context = Context(
        architecture=architectures.get(trial.arch).identity,
        size=trial.size,
        width=resolved.width,
        variant=resolved.variant.to_json(),
        data=_identity(training.training, simulated),
        train_on=trial.train_on,
        preparation={
            "version": samples.VERSION,
            **asdict(preparation),
            "undersampling": preparation.undersampling.to_json(),
            "train_slices": track.data.train_slices,
            "train_total": track.data.train_total,
        },
        training=asdict(resolved.track.training),
        groups=resolved.groups,
        seed=trial.seed,
        protocol=trial.protocol,
        numerics=describe_numerics(device, track.threads),
    )
    out = Path(request.out)
    planned = PlannedTrial(
        resolved,
        workspace,
        context,
        training,
        test,
        chosen_shifts,
        unavailable,
        root,
        data,
        estimator,
        out,
        out / ".store",
    )
    return replace(planned, folder=out / _trial_id(planned))


def open_data(track: Track, data: str | None, annotations: str | None) -> OpenData:
    """Open the data of a track: what the user named, or what the track simulates.

    Raises
    ------
    RequestError
        If they do not exist or do not match, or the track is of real data and none are named.
    """
    folder = Path(annotations) if annotations else None
    root = find_root(data, folder) or embedded_root(track.simulated(), folder)
    manifest = open_manifest(root)
    found = read_annotations(root.annotations) if root.annotations else None
    if found:
        check_match(found, manifest)
    return OpenData(root, manifest, found)


def _training_data(
    volumes: Sequence[Volume], preparation: Preparation, resolved: Resolved, most_slices: int = 0, most: int = 0
) -> TrainingData:
    training = resolved.track.training
    combine = training.loss == COMPLEX
    return TrainingData(volumes, preparation, training.batch, most_slices, resolved.trial.seed, most, combine)


def _with_given(resolved: Resolved, workspace: Workspace, path: Path) -> tuple[Resolved, Workspace]:
    """The same with given weights in place of the first training."""
    first = resolved.stages[0]
    if resolved.trial.timing != "after" or first != Train(0, resolved.plan.steps):
        raise RequestError("--dense-weights: only timing 'after' starts from a trained network")
    if resolved.trial.protocol != "standard":
        raise RequestError("--dense-weights: what that training cost is unknown; use the protocol standard")
    weights = load_given(path, workspace.initial_model())
    digest = hash_of(weights)
    options = tuple(sorted([*resolved.trial.options, ("dense_weights", digest)]))
    stages = (Given(resolved.plan.steps, digest), *resolved.stages[1:])
    trial = replace(resolved.trial, options=options)
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


def stage_keys(planned: PlannedTrial) -> tuple[str, ...]:
    """Key of the state after each stage."""
    keys = [planned.context.key]
    for stage in planned.resolved.stages:
        keys.append(stage_key(keys[-1], stage, identities_of(stage)))
    return tuple(keys[1:])


def _trial_id(planned: PlannedTrial) -> str:
    """Readable parts, and a hash of all that the record depends on."""
    trial = planned.resolved.trial
    digest = content_key(
        {
            "key": stage_keys(planned)[-1],
            "evaluation": planned.evaluation_inputs,
            "pruner": asdict(planned.resolved.entry.identity),
            "budget": planned.resolved.budget,
            "track": planned.resolved.track.name,
            "trial": trial.to_json(),
        }
    )
    row = trial.row.replace("/", "-")
    return f"{row}_{trial.size}_{trial.train_on}-{trial.acceleration}x_seed{trial.seed}_{digest[:8]}"


def _identity(volumes: tuple[Volume, ...], simulated: str | None) -> str:
    """What a training depends on: contents, or what was simulated and which of it is used."""
    return content_key([simulated, [v.name for v in volumes]]) if simulated else identity_of(volumes)


def _check_calibration(volumes: Sequence[Volume], undersampling: Undersampling) -> None:
    for volume in volumes:
        if undersampling.centre_lines(volume.columns) < 1:
            raise RequestError(
                f"--acceleration {undersampling.acceleration}: leaves no calibration line of the {volume.columns} "
                f"columns of {volume.name}; use a smaller one"
            )


def _check_channels(channels: Channels, sparsity: str) -> None:
    total = channels.weights
    if channels.fewest_weights > kept_count(total, sparsity):
        most = (1 - Decimal(channels.fewest_weights) / total).quantize(Decimal("0.001"), ROUND_DOWN)
        raise RequestError(
            f"--sparsity {sparsity}: the last channel of a layer stays, so that not all of these weights can go; "
            f"use at most {most}"
        )


def _check_protected(resolved: Resolved, workspace: Workspace) -> None:
    """What is kept has to hold the layers that stay whole."""
    if not any(isinstance(stage, LearnMask) and stage.protect_last for stage in resolved.stages):
        return
    model = workspace.initial_model()
    sizes = {name: part.weight.numel() for name, part in model.prunable(resolved.groups).items()}
    whole = sum(sizes[name] for name in last_convolutions(model.networks()) if name in sizes)
    if whole >= kept_count(sum(sizes.values()), resolved.trial.sparsity):
        most = (1 - Decimal(whole) / sum(sizes.values())).quantize(Decimal("0.001"), ROUND_DOWN)
        raise RequestError(
            f"--sparsity {resolved.trial.sparsity}: the last convolutions that pruner.protect_last keeps are more; "
            f"stay below {most}"
        )


def _splits(
    resolved: Resolved, manifest: Manifest, annotations: Annotations | None
) -> tuple[dict[str, tuple[Volume, ...]], dict[str, str]]:
    chosen, unavailable = {}, {}
    settings = resolved.track.evaluation
    for name in settings.splits:
        try:
            chosen[name] = choose_volumes(splits.get(name).select(manifest, annotations), settings)
        except UnavailableError as reason:
            unavailable[name] = str(reason)
    if not chosen:
        raise RequestError(f"nothing to evaluate on: {'; '.join(f'{n}: {r}' for n, r in unavailable.items())}")
    return chosen, unavailable


def _describe(volumes: tuple[Volume, ...]) -> dict[str, int]:
    return {"volumes": len(volumes), "patients": len({volume.patient for volume in volumes})}
