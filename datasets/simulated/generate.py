"""Write simulated patients into fastMRI's folders, HDF5 keys, header and attributes."""

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
from scipy import ndimage
from tqdm import tqdm

from datasets.annotations import COLUMNS
from datasets.cache import computed_folder
from datasets.errors import DataError
from datasets.manifest import Manifest
from datasets.roots import DataRoot, open_root
from datasets.simulated import brain, knee
from datasets.simulated.acquisition import FINE, CoilArray, Geometry, acquire, root_sum_of_squares
from datasets.simulated.shapes import Array, smooth_field
from datasets.simulated.tissues import SEQUENCES, intensities
from datasets.volumes import TARGET
from registries.files import new_folder, write_json
from registries.hashing import file_hash

GENERATOR_VERSION = 2
DESCRIPTION = "simulated.json"
FOLDERS = ("knee/multicoil_train", "knee/multicoil_val", "brain/multicoil_train", "brain/multicoil_val")
DISEASED_SHARE = 0.5
TEXTURE = 0.05
PARTIAL_VOLUME = 0.55
"""Blur of edges that are oblique to a thick slice, in pixels."""

HEADER = """<?xml version="1.0" encoding="utf-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<encodedSpace><matrixSize><x>{rows}</x><y>{columns}</y><z>1</z></matrixSize></encodedSpace>
<reconSpace><matrixSize><x>{matrix}</x><y>{matrix}</y><z>1</z></matrixSize></reconSpace>
<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{last}</maximum><center>{centre}</center>
</kspace_encoding_step_1></encodingLimits></encoding></ismrmrdHeader>"""


@dataclass(frozen=True)
class Simulation:
    """How much is simulated; together with the generator's version, the identity of the data.

    Attributes
    ----------
    knee_train, knee_val, brain_train, brain_val : int
        Patients, one volume each.
    slices : int
        Per volume.
    matrix : int
        Rows and columns of the reconstruction.
    coils : int
    seed : int
    """

    knee_train: int
    knee_val: int
    brain_train: int
    brain_val: int
    slices: int
    matrix: int
    coils: int = 8
    seed: int = 0

    @property
    def patients(self) -> dict[str, int]:
        """Number of patients by folder."""
        return dict(zip(FOLDERS, (self.knee_train, self.knee_val, self.brain_train, self.brain_val), strict=True))


@dataclass(frozen=True)
class Patient:
    """One volume to simulate."""

    folder: str
    index: int

    @property
    def anatomy(self) -> str:
        """``knee`` or ``brain``."""
        return self.folder.split("/")[0]

    def seeds(self, seed: int) -> np.random.SeedSequence:
        """The patient's own randomness, independent of how many others there are."""
        return np.random.SeedSequence([seed, FOLDERS.index(self.folder), self.index])


def identity_of_simulation(simulation: Simulation) -> str:
    """Readable identity of simulated data: generator version and every number."""
    return json.dumps({"generator": GENERATOR_VERSION, **asdict(simulation)}, sort_keys=True)


def embedded_root(simulation: Simulation, annotations: Path | None = None) -> DataRoot:
    """The simulated data in the user cache, made on first use."""
    name = "-".join(f"{key[0]}{value}" for key, value in asdict(simulation).items())
    root = computed_folder("simulated", f"v{GENERATOR_VERSION}-{name}")
    if not (root / DESCRIPTION).exists():
        simulate(root, simulation)
    return open_root(root, annotations, "embedded")


def simulation_of(root: DataRoot, manifest: Manifest) -> str | None:
    """Identity of the data if they were simulated here, else None.

    Raises
    ------
    DataError
        If the files are not the ones that were simulated.
    """
    description = root.place / DESCRIPTION
    if not description.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(description.read_text(encoding="utf-8"))
        identity, expected = str(content["identity"]), dict(content["volumes"])
    except (ValueError, KeyError, TypeError):
        raise DataError(description, None, "is damaged: simulate the data again") from None
    looked_into = {name: sha for name, sha in expected.items() if name.rpartition("/")[0] in manifest.folders}
    if {volume.name: volume.sha256 for volume in manifest.volumes} != looked_into:
        raise DataError(
            description,
            None,
            "describes other volumes than there are: simulate again, or delete it to use them as real",
        )
    return identity


def simulate(root: Path, simulation: Simulation) -> None:
    """Write all patients below ``root``, atomically: the folder appears when it is complete.

    Raises
    ------
    DataError
        If the folder exists and is not empty.
    """
    if root.exists() and any(root.iterdir()):
        raise DataError(root, None, "is not empty: simulated data need a folder of their own")
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = new_folder(root.parent, f".{root.name}.")
    try:
        rows: dict[str, list[tuple[Any, ...]]] = {"knee": [], "brain": []}
        everyone = [Patient(folder, i) for folder, number in simulation.patients.items() for i in range(number)]
        for patient in tqdm(everyone, desc="simulating patients", unit="patient"):
            rows[patient.anatomy] += _write_patient(temporary, patient, simulation)
        _write_annotations(temporary / "fastmri_plus", everyone, rows)
        names = [f"{patient.folder}/{_stem(patient)}.h5" for patient in everyone]
        hashes = {name: file_hash(temporary / name) for name in names}
        write_json(
            temporary / DESCRIPTION,
            {"identity": identity_of_simulation(simulation), **asdict(simulation), "volumes": hashes},
        )
        try:
            temporary.replace(root)
        except OSError:
            if not (root / DESCRIPTION).exists():  # unless another process made the same data meanwhile
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _stem(patient: Patient) -> str:
    part = "train" if patient.folder.endswith("train") else "val"
    return f"simulated_{patient.anatomy}_{part}_{patient.index:04d}"


def _write_patient(root: Path, patient: Patient, simulation: Simulation) -> Iterator[tuple[Any, ...]]:
    """Write one volume and give its annotation rows."""
    shape_seed, scan_seed = patient.seeds(simulation.seed).spawn(2)
    shapes, scan = np.random.default_rng(shape_seed), np.random.default_rng(scan_seed)
    module: ModuleType = {"knee": knee, "brain": brain}[patient.anatomy]
    contrast = module.CONTRASTS[patient.index % len(module.CONTRASTS)]
    geometry = _geometry(scan, simulation.matrix)
    fine = (simulation.slices, *geometry.fine_shape)
    place = module.grid(shapes, fine, geometry.extent)
    labels, lesions = module.paint(shapes, place, bool(shapes.random() < DISEASED_SHARE))
    texture = _texture(shapes, fine)
    signal = intensities(labels, texture, SEQUENCES[contrast])
    signal = ndimage.gaussian_filter(signal, (0, PARTIAL_VOLUME * FINE, PARTIAL_VOLUME * FINE))
    positions = np.linspace(-0.4, 0.4, simulation.slices, dtype=np.float32)
    # noise belongs to the scanner: suppressing fat takes signal away and leaves it as it was
    unsuppressed = intensities(labels, texture, replace(SEQUENCES[contrast], fat_suppression=0.0))
    level = _typical_signal(unsuppressed, geometry) / float(scan.uniform(*module.SNR_RANGE))
    array = CoilArray(simulation.coils, module.COILS_ALONG_ROWS)
    kspace = acquire(scan, signal, positions, geometry, array, level)
    _write_volume(root / patient.folder / f"{_stem(patient)}.h5", kspace, geometry, contrast, _stem(patient))
    shape = (geometry.matrix, geometry.matrix)
    for lesion in lesions:
        if lesion.study_level and lesion.region.any():
            yield (_stem(patient), 0, "Yes", "", "", "", "", lesion.label)
            continue
        for index, *box in lesion.boxes(geometry.target_offset, shape, FINE):
            yield (_stem(patient), index, "No", *box, lesion.label)


def _geometry(generator: np.random.Generator, matrix: int) -> Geometry:
    """A field of view somewhat wider than the reconstruction, some columns zero-padded, as on fastMRI's scanners."""
    columns = 2 * round(matrix * generator.choice([1.05, 1.15]) / 2)
    lines = 2 * round(columns * generator.choice([0.88, 0.94, 1.0]) / 2)
    left = (columns - lines) // 2
    return Geometry(matrix, columns, (left, left + lines))


def _typical_signal(signal: Array, geometry: Geometry) -> float:
    """Mean magnetisation of the object inside the target."""
    top, left = geometry.target_offset
    size = FINE * geometry.matrix
    inside = signal[:, top : top + size, left : left + size]
    return float(inside[inside > 0.1 * inside.max()].mean())


def _texture(generator: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    coarse = smooth_field(generator, shape, (max(2, shape[0] // 2), shape[1] // 8, shape[2] // 8))
    slow = smooth_field(generator, shape, (2, 6, 6))
    result: Array = (TEXTURE * (0.7 * coarse + 0.7 * slow)).astype(np.float32)
    return result


def _write_volume(path: Path, kspace: np.ndarray, geometry: Geometry, contrast: str, patient: str) -> None:
    target = root_sum_of_squares(kspace, geometry.matrix)
    header = HEADER.format(
        rows=geometry.rows,
        columns=geometry.columns,
        matrix=geometry.matrix,
        last=geometry.acquired[1] - geometry.acquired[0] - 1,
        centre=geometry.columns // 2 - geometry.acquired[0],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        file[TARGET] = target
        file["ismrmrd_header"] = header
        file.attrs["acquisition"] = contrast
        file.attrs["patient_id"] = patient
        file.attrs["max"] = float(target.max())
        file.attrs["norm"] = float(np.linalg.norm(target))


def _write_annotations(folder: Path, everyone: list[Patient], rows: dict[str, list[tuple[Any, ...]]]) -> None:
    """Tables in fastMRI+'s schema; every simulated volume counts as reviewed."""
    folder.mkdir()
    for anatomy, found in rows.items():
        with (folder / f"{anatomy}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows(found)
        stems = [_stem(patient) for patient in everyone if patient.anatomy == anatomy]
        (folder / f"{anatomy}_file_list.csv").write_text("\n".join(stems) + "\n", encoding="utf-8")
