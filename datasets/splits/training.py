"""Training and validation volumes: by folder, and by a fixed share of patients."""

import hashlib
from dataclasses import dataclass

from datasets.annotations import Annotations
from datasets.manifest import Manifest
from datasets.volumes import Volume
from registries import RequestError

VALIDATION_SHARE = 0.1
FEWEST_PATIENTS_TO_SHARE = 10

TRAINING_SETS = {
    "knee": ("knee",),
    "brain": ("brain",),
    "knee+brain": ("knee", "brain"),
    "knee-clean": ("knee",),
    "knee-pd": ("knee",),
    "knee-pdfs": ("knee",),
}
ACQUISITIONS = {"knee-pd": "CORPD_FBK", "knee-pdfs": "CORPDFS_FBK"}


@dataclass(frozen=True)
class TrainingSet:
    """Volumes to learn from, and volumes for choices, of different patients.

    Attributes
    ----------
    training, validation : tuple of Volume
        Validation is empty where there are too few patients.
    """

    training: tuple[Volume, ...]
    validation: tuple[Volume, ...]


def training_set(manifest: Manifest, annotations: Annotations | None, name: str) -> TrainingSet:
    """Select the volumes of ``--train-on``.

    A patient is for validation if the hash of the patient falls into a fixed tenth, independent of which other
    patients there are; of ten patients and more at least one is. ``knee-clean`` holds the knees that fastMRI+ reviewed
    and found nothing in, ``knee-pd`` and ``knee-pdfs`` those of one contrast. ``NAME-N`` keeps N of the training
    patients, in the order of a hash, so that fewer are among more; the validation patients stay.

    Raises
    ------
    RequestError
        If the name is unknown, there is no such volume, or a patient is in training and test.
    """
    name, patients_kept = parse_training_set(name)
    volumes = [v for anatomy in TRAINING_SETS[name] for v in manifest.select(anatomy, "multicoil_train")]
    if name == "knee-clean":
        if annotations is None:
            raise RequestError("--train-on knee-clean needs fastMRI+ annotations: name --annotations DIR")
        volumes = [v for v in volumes if annotations.status(v) == "clean"]
    if name in ACQUISITIONS:
        volumes = [v for v in volumes if v.acquisition == ACQUISITIONS[name]]
    if not volumes:
        raise RequestError(f"--train-on {name}: the data hold no such training volume")
    _check_disjoint(manifest, volumes)
    patients = {v.patient for v in volumes}
    held_out: set[str] = set()
    if len(patients) >= FEWEST_PATIENTS_TO_SHARE:
        held_out = {p for p in patients if _share(p) < VALIDATION_SHARE} or {min(patients, key=_share)}
    learned = sorted(patients - held_out, key=_share)
    if patients_kept is not None and patients_kept > len(learned):
        raise RequestError(f"--train-on {name}-{patients_kept}: the data hold {len(learned)} training patients")
    chosen = set(learned[:patients_kept])
    return TrainingSet(
        tuple(v for v in volumes if v.patient in chosen), tuple(v for v in volumes if v.patient in held_out)
    )


def folders_of(name: str) -> frozenset[str]:
    """``anatomy/folder``: where the volumes of a training set lie.

    Raises
    ------
    RequestError
        If there is no such set.
    """
    return frozenset(f"{anatomy}/multicoil_train" for anatomy in TRAINING_SETS[parse_training_set(name)[0]])


def parse_training_set(text: str) -> tuple[str, int | None]:
    """Name of a training set and how many of its patients are kept; None for all.

    Raises
    ------
    RequestError
        If there is no such set.
    """
    name, dash, number = text.rpartition("-")
    if dash and number.isascii() and number.isdigit() and int(number):
        found: tuple[str, int | None] = name, int(number)
    else:
        found = text, None
    if found[0] not in TRAINING_SETS:
        raise RequestError(
            f"unknown training set '{text}': there are {', '.join(TRAINING_SETS)}, each also with a number of "
            "patients, e.g. knee-12"
        )
    return found


def _share(patient: str) -> float:
    """Where the hash of a patient lies between 0 and 1."""
    digest = hashlib.sha256(f"validation {patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _check_disjoint(manifest: Manifest, volumes: list[Volume]) -> None:
    training = {v.patient: v for v in volumes}
    for volume in manifest.volumes:
        if volume.folder == "multicoil_val" and volume.patient in training:
            other = training[volume.patient].name
            raise RequestError(f"patient {volume.patient} is in training ({other}) and in test ({volume.name})")
