"""Records as Parquet files, without loss: what is published, and what a board is built from again."""

import json
import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from records.record import Record, upgraded
from registries import RequestError
from registries.reading import parse_json

RECORDS, VOLUMES = "records", "volumes"
MOST_BYTES = 1_900_000
"""Of a file; larger ones are split by rows."""
KEYS = ("arch", "size", "pruner", "timing", "sparsity", "control", "train_on", "acceleration", "seed", "protocol")
TEXTS = ("split", "shift", "volume", "patient", "anatomy", "acquisition")

Rows = list[dict[str, Any]]


def to_rows(records: Iterable[Record]) -> tuple[Rows, Rows]:
    """Rows of both tables, in an order that does not depend on the order of the records.

    A row of the first holds what identifies a trial, its status, and everything but the volumes as JSON; a row of the
    second one volume's scores, and the names of scores that were not taken (others without value were null).
    """
    texts = {json.dumps(record.to_json(), sort_keys=True, allow_nan=False): record for record in records}
    contents = [json.loads(text) for text in sorted(texts, key=lambda text: (_key(texts[text]), text))]
    names = list(
        dict.fromkeys(name for content in contents for volume in content["volumes"] for name in sorted(volume))
    )
    of_records: Rows = []
    of_volumes: Rows = []
    for number, content in enumerate(contents):
        rest = {name: value for name, value in content.items() if name != "volumes"}
        trial = {name: content["trial"][name] for name in KEYS}
        text = json.dumps(rest, sort_keys=True, allow_nan=False)
        of_records.append({"record": number, **trial, "status": content["status"], "content": text})
        for volume in content["volumes"]:
            absent = json.dumps([name for name in names if name not in volume])
            of_volumes.append({"record": number, **{name: volume.get(name) for name in names}, "absent": absent})
    return of_records, of_volumes


def from_rows(of_records: Sequence[Mapping[str, Any]], of_volumes: Sequence[Mapping[str, Any]]) -> list[Record]:
    """Records of rows; see `to_rows`.

    Raises
    ------
    RequestError
        If a record is not valid.
    """
    volumes: dict[int, list[dict[str, Any]]] = {}
    for row in of_volumes:
        absent = {"record", "absent", *parse_json(row["absent"])}
        volumes.setdefault(row["record"], []).append({n: v for n, v in row.items() if n not in absent})
    return [
        Record.of(upgraded({**parse_json(row["content"]), "volumes": volumes.get(row["record"], [])}))
        for row in of_records
    ]


def write_archive(folder: Path, records: Iterable[Record]) -> list[Path]:
    """Write ``records.parquet`` and ``volumes.parquet``, or numbered parts of them.

    An older archive in the folder is replaced once the new one is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    of_records, of_volumes = to_rows(records)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        new = [*_write(Path(place), RECORDS, of_records), *_write(Path(place), VOLUMES, of_volumes)]
        written = [path.replace(folder / path.name) for path in new]
        for old in (path for name in (RECORDS, VOLUMES) for path in _parts(folder, name)):
            if old not in written:
                old.unlink()
        return written


def read_archive(folder: Path) -> list[Record]:
    """Read what `write_archive` wrote.

    Raises
    ------
    RequestError
        Naming the file that is missing or cannot be read.
    """
    try:
        return from_rows(*(_read(folder, name) for name in (RECORDS, VOLUMES)))
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(f"{folder}: its Parquet files are no archive of records ({error!r})") from None
    except RequestError as error:
        raise RequestError(f"{folder}: {error}") from None


def holds_archive(folder: Path) -> bool:
    """Whether there is an archive in a folder."""
    return bool(_parts(folder, RECORDS))


def _key(record: Record) -> tuple[str, ...]:
    values = (getattr(record.trial, name) for name in KEYS)
    return tuple(f"{'' if value is None else value:>8}" for value in values)


def _parts(folder: Path, name: str) -> list[Path]:
    return sorted([*folder.glob(f"{name}.parquet"), *folder.glob(f"{name}-[0-9]*.parquet")])


def _write(folder: Path, name: str, rows: Rows) -> list[Path]:
    table = pa.Table.from_pylist(rows, schema=_schema(rows))
    paths = [folder / f"{name}.parquet"]
    _write_table(table, paths[0])
    while len(paths) < table.num_rows and any(path.stat().st_size > MOST_BYTES for path in paths):
        largest = max(path.stat().st_size for path in paths)
        for path in paths:
            path.unlink()
        size = math.ceil(table.num_rows / (len(paths) * math.ceil(largest / MOST_BYTES)))
        paths = [folder / f"{name}-{index:03d}.parquet" for index in range(math.ceil(table.num_rows / size))]
        for index, path in enumerate(paths):
            _write_table(table.slice(index * size, size), path)
    return paths


def _write_table(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd", compression_level=19)


def _schema(rows: Rows) -> pa.Schema:
    """Text, integers and doubles, each column as what it is in any row."""
    names = dict.fromkeys(name for row in rows for name in row)
    kinds: dict[str, pa.DataType] = {name: pa.string() for name in (*KEYS, *TEXTS, "status", "content", "absent")}
    kinds |= {name: pa.int64() for name in ("record", "seed", "acceleration", "boxes", "compared", "shams")}
    return pa.schema([(name, kinds.get(name, pa.float64())) for name in names])


def _read(folder: Path, name: str) -> Rows:
    parts = _parts(folder, name)
    if not parts:
        raise RequestError(f"{folder}: holds no {name}.parquet")
    rows: Rows = []
    for path in parts:
        try:
            rows += pq.read_table(path).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise RequestError(f"{path}: is not a valid Parquet file ({type(error).__name__})") from None
    return rows
