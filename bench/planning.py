"""From a resolved request to everything a trial needs: data, device, keys."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from architectures import architectures
from bench.context import Context, content_key, stage_key
from bench.evaluation import TestData, choose_volumes
from bench.execution import Workspace, entry_of
from bench.request import Request, Resolved, resolve
from bench.training_data import TrainingData
from datasets.annotations import Annotations, read_annotations
from datasets.coil_maps import CoilMaps
from datasets.manifest import Manifest, identity_of, open_manifest
from datasets.roots import find_root
from datasets.samples import Preparation
from datasets.simulated import Simulation, embedded_root
from datasets.simulated.generate import simulation_of
from datasets.splits import TrainingSet, UnavailableError, splits, training_set
from datasets.undersampling import Undersampling
from datasets.volumes import Volume
from registries import RequestError


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
    unavailable : mapping of str to str
        Splits the data do not hold, and why.
    data : mapping
        What the record says of the data.
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
    unavailable: Mapping[str, str]
    data: Mapping[str, Any]
    folder: Path
    store: Path

    @property
    def evaluation_inputs(self) -> dict[str, Any]:
        """What the scores of a given network depend on."""
        return {
            "data": identity_of(self.test.volumes) if self.data["kind"] == "real" else self.data["identity"],
            "volumes": {name: [v.name for v in part] for name, part in self.test.splits.items()},
            "slices": self.test.slices,
            "preparation": self.context.preparation,
            "numerics": self.context.numerics,
        }


def plan(request: Request) -> PlannedTrial:
    """Open the data and make every remaining choice; writes nothing but manifests and simulated data in the cache.

    Raises
    ------
    RequestError
        For anything that makes the trial impossible.
    """
    resolved = resolve(request)
    track, trial = resolved.track, resolved.trial
    device = choose_device(request.device)
    root = find_root(request.data, request.annotations) or embedded_root(Simulation(**asdict(track.simulation)))
    manifest = open_manifest(root)
    annotations = read_annotations(root.annotations) if root.annotations else None
    training = training_set(manifest, annotations, trial.train_on)
    preparation = Preparation(
        Undersampling(trial.acceleration, track.data.pattern), CoilMaps(track.maps.kind), track.data.crop_readout
    )
    chosen, unavailable = _splits(resolved, manifest, annotations)
    test = TestData(chosen, track.evaluation.slices, preparation, device)
    simulated = simulation_of(root, manifest)
    data = {
        "kind": "simulated" if simulated else "real",
        "identity": simulated or identity_of(manifest.volumes),
        "training": _describe(training.training),
        "validation": _describe(training.validation),
        "test": {name: _describe(part) for name, part in chosen.items()},
        "unavailable": unavailable,
    }
    context = Context(
        architecture=architectures.get(trial.arch).identity,
        size=trial.size,
        data=simulated or identity_of(training.training),
        train_on=trial.train_on,
        preparation=asdict(preparation) | {"train_slices": track.data.train_slices},
        training=asdict(track.training),
        seed=trial.seed,
        protocol=trial.protocol,
        numerics={"device": device.type, "threads": track.threads, "torch": torch.__version__},
    )
    workspace = Workspace(
        architecture=trial.arch,
        size=trial.size,
        data=TrainingData(training.training, preparation, track.training.batch, track.data.train_slices, trial.seed),
        training=track.training,
        seed=trial.seed,
        device=device,
    )
    out = Path(request.out)
    planned = PlannedTrial(resolved, workspace, context, training, test, unavailable, data, out, out / ".store")
    return _named(planned, out)


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


def final_key(planned: PlannedTrial) -> str:
    """Key of the state after the last stage."""
    key = planned.context.key
    for stage in planned.resolved.stages:
        key = stage_key(key, stage, entry_of(stage))
    return key


def _named(planned: PlannedTrial, out: Path) -> PlannedTrial:
    """Give the output folder the trial's id: readable parts, and a hash of all that it depends on."""
    trial = planned.resolved.trial
    digest = content_key({"key": final_key(planned), "evaluation": planned.evaluation_inputs, "trial": trial.to_json()})
    row = trial.row.replace("/", "-")
    name = f"{row}_{trial.size}_{trial.train_on}-{trial.acceleration}x_seed{trial.seed}_{digest[:8]}"
    return PlannedTrial(**{**vars(planned), "folder": out / name})


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
