"""Test data of a user's choice for a network that was trained elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.evaluation.choose import Source, check_calibration, choose_test_data, unavailable_shifts
from bench.evaluation.scoring import TestData
from bench.evaluation.shifts import Shift, choose_shifts
from bench.tracks.settings import EvaluationSettings
from bench.tracks.track import find_track, tracks
from bench.use.network import TrainedNetwork
from bench.use.opening import UNKNOWN
from datasets.annotations import Annotations, read_annotations
from datasets.annotations_report import check_match
from datasets.manifest import Manifest, identity_of, open_manifest
from datasets.roots import DataRoot, find_root
from datasets.shifts import Trained, shifts
from datasets.simulated import embedded_root
from datasets.simulated.generate import simulation_of
from datasets.splits import splits
from datasets.splits.training import ACQUISITIONS, TRAINING_SETS, parse_training_set
from records.record import Record, present
from records.trial import ACCELERATIONS
from registries import RequestError
from registries.bounds import Bounds

TRAIN = "multicoil_train"
NUMBERS = Bounds(0, 10**9)
"""Of volumes and slices."""


@dataclass(frozen=True)
class Conditions:
    """What a user asks for.

    Attributes
    ----------
    data, annotations : str or None
        Folders; without data those of the trial's track, if they are simulated.
    acceleration : int or None
        Instead of the trial's.
    shifts : tuple of str
    splits : tuple of str or None
        Instead of the trial's.
    volumes, slices : int or None
        At most so many of each split and volume, 0 for all: by default all, of the trial's own data as many as there.
    include_train : bool
        Also the volumes in `multicoil_train`, which are new to a network that was trained elsewhere.
    """

    data: str | None = None
    annotations: str | None = None
    acceleration: int | None = None
    shifts: tuple[str, ...] = ()
    splits: tuple[str, ...] | None = None
    volumes: int | None = None
    slices: int | None = None
    include_train: bool = False

    def __post_init__(self) -> None:
        """Raises `RequestError` for numbers that are none of these."""
        if self.acceleration is not None:
            ACCELERATIONS.check(self.acceleration, "--acceleration")
        for name in ("volumes", "slices"):
            if (number := getattr(self, name)) is not None:
                NUMBERS.check(number, f"--{name}")

    @property
    def chosen_shifts(self) -> tuple[str, ...]:
        """By name; ``all`` stands for all there are."""
        return tuple(shifts.names()) if self.shifts == ("all",) else tuple(dict.fromkeys(self.shifts))


@dataclass(frozen=True)
class ForeignData:
    """Data chosen for a network.

    Attributes
    ----------
    conditions : Conditions
        With all numbers decided.
    root : DataRoot
    kind : str
        ``simulated`` or ``real``.
    test : TestData
    shifts : tuple of Shift
    unavailable : mapping of str to str
        Splits and shifts that there are not, and why.
    """

    conditions: Conditions
    root: DataRoot
    kind: str
    test: TestData
    shifts: tuple[Shift, ...]
    unavailable: Mapping[str, str]

    @cached_property
    def content(self) -> str:
        """Hash of the names and contents of the volumes."""
        return identity_of(self.test.volumes)

    @property
    def folders(self) -> tuple[str, ...]:
        """Where the volumes lie, below the anatomies."""
        return tuple(sorted({volume.folder for volume in self.test.volumes}))


class OpenRoot:
    """Folders that were looked through once for several networks.

    Parameters
    ----------
    conditions : Conditions
    """

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self._annotations = Path(conditions.annotations) if conditions.annotations else None
        self._named = find_root(conditions.data, self._annotations)
        self._known: dict[tuple[Path, frozenset[str]], tuple[Manifest, Annotations | None, str | None]] = {}

    def choose(self, trained: TrainedNetwork) -> ForeignData:
        """Volumes, slices and shifts for a network.

        Raises
        ------
        RequestError
            If there is nothing to score it on, or its training volumes would be.
        """
        record, asked = trained.record, self.conditions
        evaluation = present(record.trial.resolved.evaluation)
        root = self._named or _own_root(record, self._annotations)
        names = asked.splits or evaluation.splits
        manifest, annotations, simulated = self._opened(root, names)
        if asked.include_train:
            _check_unseen(record, "simulated" if simulated else "real")
        own = self._named is None
        volumes, slices = (
            given if given is not None else (recorded if own else 0)
            for given, recorded in ((asked.volumes, evaluation.volumes), (asked.slices, evaluation.slices))
        )
        settings = EvaluationSettings(splits=names, shifts=asked.chosen_shifts, volumes=volumes, slices=slices)
        preparation = trained.preparation(asked.acceleration)
        source = Source(manifest, annotations, TRAIN if asked.include_train else None)
        test, unavailable = choose_test_data(settings, source, preparation, trained.device)
        check_calibration(test.volumes, preparation.undersampling)
        chosen, missing = choose_shifts(asked.chosen_shifts, _trained(trained, annotations), test)
        return ForeignData(
            Conditions(**{**vars(asked), "volumes": volumes, "slices": slices}),
            root,
            "simulated" if simulated else "real",
            test,
            chosen,
            unavailable | unavailable_shifts(missing),
        )

    def _opened(self, root: DataRoot, names: tuple[str, ...]) -> tuple[Manifest, Annotations | None, str | None]:
        folders = frozenset[str]().union(*(splits.get(name).folders for name in names))
        if self.conditions.include_train:
            folders |= {f"{folder.split('/')[0]}/{TRAIN}" for folder in folders}
        key = root.place, folders
        if key not in self._known:
            manifest = open_manifest(root, folders)
            annotations = read_annotations(root.annotations) if root.annotations else None
            if annotations:
                check_match(annotations, manifest)
            self._known[key] = manifest, annotations, simulation_of(root, manifest)
        return self._known[key]


def _trained(trained: TrainedNetwork, annotations: Annotations | None) -> Trained:
    """What a network was trained on, as far as its record says."""
    preparation, name = trained.preparation(), trained.record.trial.train_on
    if name == UNKNOWN:
        return Trained(preparation, None, None, False, annotations)
    training_set = parse_training_set(name)[0]
    acquisition = ACQUISITIONS.get(training_set)
    known = frozenset({acquisition}) if acquisition else None
    return Trained(
        preparation, frozenset(TRAINING_SETS[training_set]), known, training_set == "knee-clean", annotations
    )


def _own_root(record: Record, annotations: Path | None) -> DataRoot:
    """The data that a network was trained on, if they were simulated."""
    track = record.trial.resolved.track
    if record.provenance.data.kind != "simulated" or track not in tracks.names():
        raise RequestError(f"{record.row}: its own data are not built in; name those to score it on by --data ROOT")
    return embedded_root(find_track(track).simulated(), annotations)


def _check_unseen(record: Record, kind: str) -> None:
    """Refuse volumes that the network may have been trained on: simulated patients recur in data of other sizes."""
    trained = record.provenance.data.kind
    if trained is None or trained == kind:
        raise RequestError(
            f"--include-train: {record.row} was trained on {trained or 'unknown'} data, so volumes of {TRAIN} may be "
            "its own; move those to score it on to multicoil_val"
        )
