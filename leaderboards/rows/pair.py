"""The dense partner of a trial, and its paired change against it."""

from collections.abc import Iterator
from pathlib import Path

from leaderboards.rows.compare import Comparison, compare
from leaderboards.rows.rows import METRIC, Row, shared_conditions
from records.record import FILE, Record
from records.row_name import DENSE
from records.setting import apart_in_pair, same_network
from registries import RequestError


def dense_partner(folder: Path, record: Record) -> Record | None:
    """The dense record in an output folder that shares everything but pruning with this one.

    Records that cannot be read are no partners.
    """
    found = dense_folder(folder, record)
    return Record.read(found / FILE) if found else None


def dense_folder(folder: Path, record: Record) -> Path | None:
    """Where the dense partner of a record lies in an output folder; see `dense_partner`."""
    if record.trial.pruner == DENSE or "dense_weights" in record.trial.options:
        return None
    for path in sorted(folder.glob(f"{record.trial.arch}-{DENSE}*/{FILE}")):
        try:
            other = Record.read(path)
        except RequestError:
            continue
        plain = other.ok and other.trial.pruner == DENSE and other.trial.control is None
        if plain and same_network(record, other) and not apart_in_pair(record, other):
            return path.parent
    return None


def paired_changes(record: Record, other: Record) -> list[Comparison]:
    """The paired change in PSNR by split, without shifts."""
    a, b = (Row(one.row, {one.seed: one}) for one in (record, other))
    return compare(
        a, b, METRIC, [condition for condition in shared_conditions(a, b, METRIC)[0] if condition.is_whole_split]
    )


def paired_lines(record: Record, other: Record) -> Iterator[str]:
    """The paired change in PSNR by split, in words: it concerns these two trained networks alone."""
    yield f"paired change against {other.row}, PSNR dB, conditional on these trained networks:"
    for one in paired_changes(record, other):
        patients = one.estimate.patients
        spread = f"95 % interval over patients {one.estimate.span(3)}" if patients > 1 else "a single patient"
        yield f"  {one.condition}: {float(one.estimate.mean):+.3f} ({spread}, n = {patients} patients)"
