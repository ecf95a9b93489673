"""Which records may be compared, paired, counted as the same: decided here and nowhere else.

Every field of a record has a role (see `records.fields.Role`). One that says nothing about itself is part of the
setting, so that a field which is added tells records apart before anybody thinks of it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from records.fields import Role, leaves
from records.record import Record
from records.row_name import RowName
from registries import RequestError
from registries.hashing import content_key

ENTRIES = "provenance.entries"
EDITS = "edits of the suite's sources"
TRAINING = "train."


class CellKey(NamedTuple):
    """A trial as a grid asks for it, whatever became of it."""

    row: RowName
    size: str
    train_on: str
    acceleration: int
    seed: int


@dataclass(frozen=True)
class Setting:
    """What the rows of one table have in common, in the words of a user.

    Attributes
    ----------
    size, train_on : str
    acceleration : int
    device : str
        Kind of device.
    conditions : str
        Settings of training, maps and network that deviate, as they stand in row names: ``@train.steps=3200``.
    """

    size: str
    train_on: str
    acceleration: int
    device: str
    conditions: str = ""

    @classmethod
    def of(cls, record: Record) -> "Setting":
        """That of a record."""
        trial = record.trial
        device = record.provenance.numerics.device
        return cls(trial.size, trial.train_on, trial.acceleration, device, record.row.conditions)

    def holds(self, cell: CellKey) -> bool:
        """Whether a trial belongs here, whatever it ran on."""
        asked = (cell.size, cell.train_on, cell.acceleration, cell.row.conditions)
        return asked == (self.size, self.train_on, self.acceleration, self.conditions)

    @property
    def plain(self) -> "Setting":
        """The same without what deviates."""
        return replace(self, conditions="")

    def __str__(self) -> str:
        deviating = f", {self.conditions.removeprefix('@')}" if self.conditions else ""
        return f"size {self.size}, trained on {self.train_on}, {self.acceleration}×, {self.device}{deviating}"


def cell_of(record: Record) -> CellKey:
    """What a grid knows of a record."""
    trial = record.trial
    return CellKey(record.row, trial.size, trial.train_on, trial.acceleration, trial.seed)


def trial_key(record: Record) -> str:
    """Key of the trial that a record is of: its settings, the data, whose code; not where, when and how far."""
    return content_key(_values(record, Role.SETTING, Role.NETWORK, Role.ROW, Role.TRIAL))


def differences(a: Record, b: Record, *roles: Role) -> tuple[str, ...]:
    """Fields of some roles in which two records differ, in words: ``train.steps 200 / 400``."""
    of_a, of_b = (_values(record, *roles) for record in (a, b))
    found = (
        f"{_words(name)} {_text(of_a.get(name))} / {_text(of_b.get(name))}"
        for name in dict.fromkeys([*of_a, *of_b])
        if of_a.get(name) != of_b.get(name)
    )
    return tuple(dict.fromkeys(found))


def apart_in_row(a: Record, b: Record) -> tuple[str, ...]:
    """Why two records of one row name do not belong in one row; nothing where they do."""
    return differences(a, b, Role.SETTING, Role.NETWORK, Role.ROW)


def apart_in_pair(a: Record, b: Record) -> tuple[str, ...]:
    """Why trials of two rows may not be paired; nothing where they may.

    A control or an equal total may train longer or with weight decay; a user who sets that has another setting. What
    both rows are made with is of the same version.
    """
    roles = [Role.SETTING, Role.NETWORK]
    apart = differences(a, b, *roles)
    if a.row.conditions != b.row.conditions:
        training = [words for words in differences(a, b, Role.ROW) if words.startswith(TRAINING)]
        apart = tuple(dict.fromkeys([*apart, *training]))
    of_a, of_b = (_versions(record) for record in (a, b))
    return (
        *apart,
        *(f"{name} {of_a[name]} / {of_b[name]}" for name in of_a.keys() & of_b.keys() if of_a[name] != of_b[name]),
    )


def pairing_of(record: Record) -> str:
    """Key of all that `apart_in_pair` looks at: records of equal ones are the same to it."""
    values = _values(record, Role.SETTING, Role.NETWORK)
    training = {name: value for name, value in _values(record, Role.ROW).items() if _words(name).startswith(TRAINING)}
    return content_key([values, training, record.row.conditions, _versions(record)])


def same_network(a: Record, b: Record) -> bool:
    """Whether two trials are of the same architecture and seed, so that one may be the partner of the other."""
    return (a.trial.arch, a.seed) == (b.trial.arch, b.seed)


def tables(records: Iterable[Record], whatever_is_set: bool = False) -> tuple[tuple[Record, ...], ...]:
    """Records that stand in one table, table by table.

    Parameters
    ----------
    records : iterable of Record
    whatever_is_set : bool
        Put trainings of other lengths, losses and so on together.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        conditions = "" if whatever_is_set else record.row.conditions
        groups.setdefault(content_key([_values(record, Role.SETTING), conditions]), []).append(record)
    return tuple(map(tuple, groups.values()))


def title_of(record: Record, setting: Setting | None = None) -> str:
    """The setting of a record in full, or another one for its own."""
    trial, data = record.trial, record.provenance.data
    whose = f"{data.kind} data {content_key(data.identity)[:8]}"
    title = f"track {trial.resolved.track}, {setting or Setting.of(record)}, {trial.protocol} protocol, {whose}"
    elsewhere = evaluated_on(record)
    return f"{title}; evaluated on {elsewhere}" if elsewhere else title


def evaluated_on(record: Record) -> str | None:
    """The data and undersampling of an evaluation, in words; None of a trial."""
    if record.elsewhere is None:
        return None
    pattern = record.elsewhere.preparation.undersampling
    data = f"{record.elsewhere.kind} data {record.elsewhere.data[:8]}"
    return f"{data}, {pattern['acceleration']}× {pattern['pattern']}"


def check_tables(records: Iterable[Record], where: str) -> None:
    """Records whose settings read the same have the same setting in every field.

    Raises
    ------
    RequestError
        Naming the fields in which they differ.
    """
    first: dict[Setting, Record] = {}
    for record in records:
        other = first.setdefault(Setting.of(record), record)
        if apart := differences(other, record, Role.SETTING):
            raise RequestError(f"{where}: rows {other.row} and {record.row} cannot share a table: {', '.join(apart)}")


def same_scores(a: Record, b: Record) -> bool:
    """Whether two records of a trial have the same results, under the shifts that both were evaluated under."""
    of_a, of_b = ({one.shift for one in record.volumes} for record in (a, b))
    scores = [[one for one in record.volumes if one.shift in of_a & of_b] for record in (a, b)]
    return scores[0] == scores[1]


def newest_of(records: Sequence[Record]) -> list[Record]:
    """Each trial once: carried out rather than failed or skipped, and under as many shifts as there are.

    Raises
    ------
    RequestError
        If a trial occurs twice, with other results.
    """
    finished = {cell_of(record) for record in records if record.ok}
    chosen: dict[tuple[CellKey, str], Record] = {}
    for record in records:
        if not record.ok and cell_of(record) in finished:
            continue  # it was carried out since
        key = (cell_of(record), trial_key(record) if record.ok else record.status)
        known = chosen.get(key)
        if known is not None and record.ok and not same_scores(record, known):
            raise RequestError(f"row {record.row}, seed {record.seed}: occurs twice, with other results; remove one")
        if known is None or len(record.volumes) > len(known.volumes):
            chosen[key] = record
    return list(chosen.values())


def one_row(records: Sequence[Record], where: str) -> dict[int, Record]:
    """Finished trials of one row by seed; of two of a trial the one under more shifts.

    Raises
    ------
    RequestError
        Naming what they differ in, if they do not belong together.
    """
    by_seed: dict[int, Record] = {}
    for record in records:
        if apart := apart_in_row(records[0], record):
            raise RequestError(
                f"row {record.row}: {where} has it with {', '.join(apart)}; choose by --train-on, --acceleration or "
                "--evaluated-on, or remove one of them"
            )
        other = by_seed.get(record.seed)
        if other is not None and not same_scores(record, other):
            raise RequestError(
                f"row {record.row}: seed {record.seed} occurs twice in {where}, with other results; remove one"
            )
        by_seed[record.seed] = max((record, *([other] if other else [])), key=lambda one: len(one.volumes))
    return by_seed


def _values(record: Record, *roles: Role) -> dict[str, Any]:
    """Fields of these roles by their name in the file; defaults and absent ones are the same.

    Part of the setting are the edits of the suite that made the record, where it was not that of a commit.
    """
    values = {name: _plain(value) for name, role, value in leaves(record) if role in roles and name != ENTRIES}
    if record.elsewhere is None:
        values.pop("elsewhere", None)  # keys of trials are those of before there were evaluations
    source = record.provenance
    if (source.dirty or (source.dirty is None and source.sources)) and Role.SETTING in roles:  # or nobody can tell
        values[EDITS] = (source.sources or "unknown")[:12]
    return values | (_versions(record) if Role.ROW in roles else {})


def _versions(record: Record) -> dict[str, str]:
    """Of whose code a record is, entry by entry."""
    return {f"version of {entry.name}": f"{entry.version} ({entry.origin})" for entry in record.provenance.entries}


def _plain(value: Any) -> Any:
    """As JSON has it."""
    return (
        [_plain(part) for part in value]
        if isinstance(value, tuple)
        else (value.to_json() if hasattr(value, "to_json") else value)
    )


def _words(name: str) -> str:
    """The name of a field as a user knows it."""
    if name == "trial.resolved.budget":
        return f"{TRAINING}steps"
    for prefix in ("trial.resolved.training.", "trial.resolved.", "trial.options.", "trial.", "provenance."):
        if name.startswith(prefix):
            rest = name.removeprefix(prefix)
            return {"trial.resolved.training.": TRAINING, "trial.options.": "pruner."}.get(prefix, "") + rest
    return name


def _text(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)
