"""What fastMRI+ tables hold, in words."""

import hashlib
from collections import Counter
from collections.abc import Iterator

from datasets.annotations import OFFICIAL_COMMIT, OFFICIAL_SHA256, Annotations, read_table
from datasets.errors import DataError
from datasets.manifest import Manifest
from datasets.roots import ANATOMIES


def describe_tables(annotations: Annotations) -> Iterator[str]:
    """Rows by kind and label, each malformed box, and whether the tables are the official ones."""
    for anatomy in ANATOMIES:
        path = annotations.folder / f"{anatomy}.csv"
        if not path.is_file():
            yield f"{anatomy}: no table"
            continue
        rows = read_table(path)
        study = [row for row in rows if row.study_level]
        malformed = [row for row in rows if row.malformed()]
        boxes = len(rows) - len(study) - len(malformed)
        yield (
            f"{anatomy}: {len(rows)} rows of {len({row.file for row in rows})} volumes = {boxes} boxes "
            f"+ {len(malformed)} malformed boxes + {len(study)} rows at study level"
        )
        for label, number in Counter(row.label for row in rows).most_common():
            yield f"  {number:6} {label}"
        for row in malformed:
            box = f"x {row.x}, y {row.y}, width {row.width}, height {row.height}"
            yield f"  malformed, line {row.line}: {row.file} slice {row.slice}: {box}"
    yield f"{len(annotations.reviewed)} volumes reviewed, {len(annotations.rows)} with rows"
    for name, official in OFFICIAL_SHA256.items():
        path = annotations.folder / name
        if path.is_file():
            same = hashlib.sha256(path.read_bytes()).hexdigest() == official
            yield f"{name}: {'equals' if same else 'differs from'} the official table at commit {OFFICIAL_COMMIT}"


def describe_match(annotations: Annotations, manifest: Manifest) -> Iterator[str]:
    """How many volumes are clean, have findings, or are unknown, by anatomy and folder.

    Raises
    ------
    DataError
        As `check_match`.
    """
    check_match(annotations, manifest)
    statuses = Counter((v.anatomy, v.folder, annotations.status(v)) for v in manifest.volumes)
    for (anatomy, folder, status), number in sorted(statuses.items()):
        yield f"{anatomy}/{folder}: {number} {status}"


def check_match(annotations: Annotations, manifest: Manifest) -> None:
    """Make sure that tables and volumes belong together.

    Raises
    ------
    DataError
        If a table knows none of the volumes of its anatomy, or a box lies in a slice that does not exist.
    """
    for anatomy in ANATOMIES:
        path = annotations.folder / f"{anatomy}.csv"
        volumes = [volume for volume in manifest.volumes if volume.anatomy == anatomy]
        if path.is_file() and volumes and not any(annotations.covers(volume) for volume in volumes):
            raise DataError(path, None, f"matches none of the {anatomy} volumes")
        for volume in volumes:
            for row in annotations.of(volume):
                if not row.study_level and not 0 <= row.slice < volume.slices:
                    raise DataError(path, None, f"line {row.line}: {volume.name} has no slice {row.slice}")
