"""fastMRI+ annotations: boxes around findings, and which volumes were reviewed."""

import builtins
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasets.errors import DataError
from datasets.roots import ANATOMIES
from datasets.volumes import Volume

COLUMNS = ("file", "slice", "study_level", "x", "y", "width", "height", "label")
NOT_FILES = frozenset({"Knee data", "Brain data"})
"""A stray last line of the official ``knee_file_list.csv``."""

MOST = 10_000
"""No volume has so many slices, no image so many rows."""
NORMAL = frozenset({"Normal for age", "Normal variant"})
"""Labels that say there is nothing."""
ARTIFACTS = frozenset({"artifact", "Possible artifact", "Motion artifact"})
"""Labels of the image, not of the patient."""

OFFICIAL_COMMIT = "67ed9a6"
OFFICIAL_SHA256 = {
    "knee.csv": "c1f4a083646cec815b67f005f8d7764313d1b82a028b90c272a4d000330d065b",
    "brain.csv": "38c8c9d91d708425f2297293c3a0c4ce1f537c7c272cc9b07429b2339ac1e6bf",
    "knee_file_list.csv": "4b09e5523709815d5314a4f652882c40f8c14af26b67a00ea769054ca7e1d6b7",
    "brain_file_list.csv": "43dcc0291dc7c5f49dfe69acfc260ec2951085fa5c90b9eead8455ff54c95261",
}
"""The tables of github.com/microsoft/fastmri-plus at that commit."""

Status = Literal["clean", "finding", "unknown"]


@dataclass(frozen=True)
class Annotation:
    """One row of a fastMRI+ table.

    Attributes
    ----------
    file : str
        Volume, without ``.h5``.
    slice : int
        Index of the slice; for a row at study level it has no meaning.
    study_level : bool
        The finding concerns the whole study and has no box.
    x, y, width, height : int
        The box as it is in the table: drawn on images flipped up/down.
    label : str
        The finding.
    line : int
        Line of the table, for messages.
    """

    file: str
    slice: int
    study_level: bool
    x: int
    y: int
    width: int
    height: int
    label: str
    line: int

    def malformed(self) -> bool:
        """A box without area, or with a negative corner."""
        return not self.study_level and (not self.has_area or self.x < 0 or self.y < 0)

    @property
    def has_area(self) -> bool:
        """Whether there is anything inside; a negative corner is cut off."""
        return not self.study_level and min(self.width, self.height, self.x + self.width, self.y + self.height) > 0

    @property
    def marks_finding(self) -> bool:
        """Whether the row is about the patient and abnormal, not an artifact or a variant of the normal."""
        return self.label not in NORMAL | ARTIFACTS

    def array_box(self, rows: int) -> tuple[builtins.slice, builtins.slice]:
        """The box as (rows, columns) of a target array of that many rows: y_array = H − y − height.

        What lies outside the upper left of either orientation is cut off.
        """
        top, bottom = rows - self.y - self.height, rows - max(self.y, 0)
        return builtins.slice(max(top, 0), bottom), builtins.slice(max(self.x, 0), self.x + self.width)


@dataclass(frozen=True)
class Annotations:
    """The tables of one folder.

    Attributes
    ----------
    folder : Path
    rows : mapping of str to tuple of Annotation
        By volume, without ``.h5``.
    reviewed : frozenset of str
        Volumes that were looked at.
    """

    folder: Path
    rows: Mapping[str, tuple[Annotation, ...]]
    reviewed: frozenset[str]

    def status(self, volume: Volume) -> Status:
        """What is known of a volume.

        ``finding``: at least one label of the patient; ``clean``: reviewed, and nothing or nothing abnormal found;
        ``unknown``: not reviewed, or nothing but artifacts found.
        """
        rows = self.of(volume)
        if any(row.marks_finding for row in rows):
            return "finding"
        if any(row.label in ARTIFACTS for row in rows):
            return "unknown"
        return "clean" if self.covers(volume) else "unknown"

    def covers(self, volume: Volume) -> bool:
        """Whether the tables know of a volume at all."""
        stem = Path(volume.file_name).stem
        return stem in self.rows or stem in self.reviewed

    def of(self, volume: Volume) -> tuple[Annotation, ...]:
        """The rows of a volume."""
        return self.rows.get(Path(volume.file_name).stem, ())


def read_annotations(folder: Path) -> Annotations:
    """Read ``knee.csv``, ``brain.csv`` and the lists of reviewed files; an anatomy may be absent.

    Raises
    ------
    DataError
        If there is no table, a column is missing, or a row cannot be read.
    """
    tables = [folder / f"{anatomy}.csv" for anatomy in ANATOMIES if (folder / f"{anatomy}.csv").is_file()]
    if not tables:
        raise DataError(folder, None, f"holds no fastMRI+ table ({', '.join(f'{a}.csv' for a in ANATOMIES)})")
    rows: dict[str, list[Annotation]] = {}
    reviewed: set[str] = set()
    for table in tables:
        for annotation in read_table(table):
            rows.setdefault(annotation.file, []).append(annotation)
        reviewed |= read_file_list(table.with_name(f"{table.stem}_file_list.csv"))
    return Annotations(folder, {file: tuple(found) for file, found in rows.items()}, frozenset(reviewed))


def read_table(path: Path) -> tuple[Annotation, ...]:
    """Read one fastMRI+ table, every row of it.

    Raises
    ------
    DataError
        Naming the line that cannot be read.
    """
    lines = _lines(path)
    header = _fields(path, *lines[0]) if lines else []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise DataError(path, None, f"lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}")
    return tuple(_parse(path, line, header, _fields(path, line, text)) for line, text in lines[1:] if text.strip())


def read_file_list(path: Path) -> set[str]:
    """Volumes that were reviewed, without ``.h5``.

    Raises
    ------
    DataError
        If the list is missing or unreadable.
    """
    if not path.is_file():
        raise DataError(path, None, "is missing: without it nobody knows which volumes were reviewed")
    names = {text.strip(): line for line, text in _lines(path)}
    for name, line in names.items():
        if '"' in name:
            raise DataError(path, None, f"line {line} is no name of a volume: {name}")
    return names.keys() - NOT_FILES - {""}


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines with their numbers; a mark of the byte order, which spreadsheets write, is no part of the first."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, None, f"cannot be read as text: {error}") from None
    lines = list(enumerate(text.splitlines(), start=1))
    for line, content in lines:
        if "\0" in content:
            raise DataError(path, None, f"line {line} holds NUL bytes; write the table anew")
    return lines


def _fields(path: Path, line: int, text: str) -> list[str]:
    """Fields of one line: no value goes over several, so that a quote that is not closed swallows nothing."""
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise DataError(path, None, f"line {line} is no fastMRI+ annotation: are its quotes closed?") from None


def _parse(path: Path, line: int, header: list[str], fields: list[str]) -> Annotation:
    fault = f"line {line} is no fastMRI+ annotation"
    if len(fields) != len(header):
        raise DataError(path, None, f"{fault}: {len(fields)} fields under {len(header)} columns")
    row = {name: field.strip() for name, field in zip(header, fields, strict=True)}
    if row["study_level"] not in ("Yes", "No"):
        raise DataError(path, None, f"{fault}: study_level is '{row['study_level']}', neither Yes nor No")
    study_level = row["study_level"] == "Yes"
    for name in ("file", "label"):
        if not row[name]:
            raise DataError(path, None, f"{fault}: its {name} is empty")
    try:
        numbers = {name: 0 if study_level and not row[name] else int(row[name]) for name in COLUMNS[3:7]}
        index = int(row["slice"])
    except ValueError as error:
        raise DataError(path, None, f"{fault}: {error}") from None
    if not study_level and not 0 <= index < MOST:
        raise DataError(path, None, f"{fault}: no volume has a slice {index}")
    if any(abs(number) >= MOST for number in numbers.values()):
        raise DataError(path, None, f"{fault}: no image has the box {', '.join(map(str, numbers.values()))}")
    return Annotation(file=row["file"], slice=index, study_level=study_level, label=row["label"], line=line, **numbers)
