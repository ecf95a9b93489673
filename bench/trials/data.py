"""The data of a trial: opened, chosen, checked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import torch

from bench.evaluation.choose import Source, check_calibration, choose_test_data, unavailable_shifts
from bench.evaluation.scoring import TestData
from bench.evaluation.shifts import Shift, choose_shifts
from bench.stages.batches import Most, TrainingData
from bench.stages.losses import COMPLEX
from bench.tracks.settings import EvaluationSettings
from bench.tracks.track import Track
from bench.trials.request import Resolved
from datasets.annotations import Annotations, read_annotations
from datasets.annotations_report import check_match
from datasets.coil_maps import CoilMaps
from datasets.manifest import EVERYTHING, Manifest, identity_of, open_manifest
from datasets.roots import DataRoot, find_root, left_out
from datasets.samples import Preparation
from datasets.shifts import Trained
from datasets.simulated import embedded_root
from datasets.simulated.generate import simulation_of
from datasets.splits import TrainingSet, splits, training_set
from datasets.splits.training import folders_of, parse_training_set
from datasets.undersampling import Undersampling, missing_sigpy
from datasets.volumes import Volume
from records.provenance import Amount, Data
from registries.hashing import content_key
from registries.text import plural


@dataclass(frozen=True, eq=False)
class OpenData:
    """Data that were looked through.

    Attributes
    ----------
    root : DataRoot
    manifest : Manifest
    annotations : Annotations or None
    shared : frozenset of str
        Folders that all trials of the track have in common: their volumes are the data that a record names.
    """

    root: DataRoot
    manifest: Manifest
    annotations: Annotations | None
    shared: frozenset[str] = EVERYTHING
    _chosen: "dict[_Choice, TrialData]" = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What of the data is not used, in a line for each kind."""
        files, named = list(left_out(self.root)), f"`{self.root.check_command}`"
        empty = [volume for volume in self.manifest.volumes if volume.empty]
        slices = sum(len(volume.empty) for volume in empty)
        more = f" (one of {len(files)}: {named} names them)" if len(files) > 1 else ""
        zero = f"{plural(slices, 'slice')} of {plural(len(empty), 'volume')}: zero, so neither trained on nor scored"
        return (*(one + more for one in files[:1]), *([f"{zero}; {named} names them"] if empty else []))


def open_data(track: Track, data: str | None, annotations: str | None, train_on: Iterable[str] = ()) -> OpenData:
    """Open the data of a track: what the user named, or what the track simulates.

    Only folders that a trial of the track needs are looked into.

    Parameters
    ----------
    track : Track
    data, annotations : str or None
    train_on : iterable of str
        Training sets besides those of the track's grid.

    Raises
    ------
    RequestError
        If they do not exist or do not match, or the track is of real data and none are named.
    """
    folder = Path(annotations) if annotations else None
    root = find_root(data, folder) or embedded_root(track.simulated(), folder)
    trained = {name for grid in track.grid for name in grid.train_on}
    needed = (*map(folders_of, trained), *(splits.get(name).folders for name in track.evaluation.splits))
    shared = frozenset[str]().union(*needed)
    manifest = open_manifest(root, shared.union(*map(folders_of, train_on)))
    found = read_annotations(root.annotations) if root.annotations else None
    if found:
        check_match(found, manifest)
    return OpenData(root, manifest, found, shared)


@dataclass(frozen=True)
class TrialData:
    """The data of one trial.

    Attributes
    ----------
    root : DataRoot
    training : TrainingSet
    test : TestData
    shifts : tuple of Shift
        Changed conditions, with the test data under each.
    summary : Data
        What the record says of all this.
    identity : str
        What the training depends on: contents, or what was simulated and which of it is used.
    remarks : tuple of str
        See `OpenData`.
    """

    root: DataRoot
    training: TrainingSet
    test: TestData
    shifts: tuple[Shift, ...]
    summary: Data
    identity: str
    remarks: tuple[str, ...]

    def batches(self, resolved: Resolved) -> TrainingData:
        """Of the training patients."""
        data = resolved.track.data
        return self._batches(self.training.training, resolved, Most(data.train_slices, data.train_total))

    def validation_batches(self, resolved: Resolved) -> TrainingData | None:
        """Of the validation patients, if there are any."""
        data = resolved.track.data
        most = Most(data.validation_slices, data.validation_total)
        return self._batches(self.training.validation, resolved, most) if self.training.validation else None

    def _batches(self, volumes: Sequence[Volume], resolved: Resolved, most: Most) -> TrainingData:
        training, seed = resolved.track.training, resolved.trial.seed
        return TrainingData(volumes, self.test.preparation, training.batch, seed, most, training.loss == COMPLEX)


@dataclass(frozen=True)
class _Choice:
    """What the data of a trial depend on; thousands of trials share it."""

    train_on: str
    preparation: Preparation
    evaluation: EvaluationSettings
    device: torch.device


def choose_data(resolved: Resolved, opened: OpenData, device: torch.device) -> TrialData:
    """Training, validation and test volumes of a trial, and the shifts that exist for them.

    Raises
    ------
    RequestError
        If there is nothing to train or evaluate on, or the data cannot be undersampled so.
    """
    choice = _Choice(resolved.trial.train_on, _preparation(resolved), resolved.track.evaluation, device)
    known = opened._chosen
    if choice not in known:
        known[choice] = _choose(choice, opened)
    return known[choice]


def _choose(choice: _Choice, opened: OpenData) -> TrialData:
    manifest, annotations, preparation = opened.manifest, opened.annotations, choice.preparation
    training = training_set(manifest, annotations, choice.train_on)
    source = Source(manifest, annotations)
    test, unavailable = choose_test_data(choice.evaluation, source, preparation, choice.device)
    check_calibration([*training.training, *training.validation, *test.volumes], preparation.undersampling)
    trained = Trained(
        preparation,
        frozenset(volume.anatomy for volume in training.training),
        frozenset(volume.acquisition for volume in training.training),
        parse_training_set(choice.train_on)[0] == "knee-clean",
        annotations,
    )
    shifts, missing = choose_shifts(choice.evaluation.shifts, trained, test)
    simulated = simulation_of(opened.root, manifest)
    names = [volume.name for volume in training.training]
    summary = Data(
        kind="simulated" if simulated else "real",
        identity=simulated or identity_of([v for v in manifest.volumes if v.name.rpartition("/")[0] in opened.shared]),
        training=_amount(training.training),
        validation=_amount(training.validation),
        test={name: _amount(part) for name, part in test.splits.items()},
        unavailable=unavailable | unavailable_shifts(missing),
    )
    identity = content_key([simulated, names]) if simulated else identity_of(training.training)
    return TrialData(opened.root, training, test, shifts, summary, identity, opened.remarks)


def _preparation(resolved: Resolved) -> Preparation:
    track = resolved.track
    if track.maps.kind == "espirit" and find_spec("sigpy") is None:
        raise missing_sigpy("maps.kind=espirit")
    undersampling = Undersampling(resolved.trial.acceleration, track.data.pattern, track.data.centre)
    return Preparation(undersampling, CoilMaps(track.maps.kind), track.data.crop_readout)


def _amount(volumes: tuple[Volume, ...]) -> Amount:
    return Amount(volumes=len(volumes), patients=len({volume.patient for volume in volumes}))
