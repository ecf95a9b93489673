"""Records: one validated JSON file per trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import JsonValue, ValidationError, ValidationInfo, field_validator, model_validator

from records.elsewhere import Elsewhere
from records.fields import Part, Role, about, sequence
from records.provenance import Provenance
from records.results import BySplit, Convergence, Cost, MaskSummary, VolumeScores, check_means
from records.row_name import RowName
from records.trial import Evaluation, RecordedTrial
from registries import RequestError
from registries.files import write_json
from registries.reading import read_json

SCHEMA = 2
FILE = "record.json"
UNIONS = ("bool", "int", "float", "str")
"""Where pydantic tried alternatives, which says nothing to a reader."""
DEPTH = 6
"""So many parts of a place say where it is."""
Result = TypeVar("Result")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Results:
    """What a trial that was carried out adds to its record; see there.

    Attributes
    ----------
    mask, cost, convergence, volumes
    metrics, baselines, shifts : mapping
        Scores by split; by baseline and split; by split and shift.
    """

    mask: MaskSummary
    cost: Cost
    convergence: Convergence | None
    metrics: Mapping[str, Mapping[str, float | None]]
    baselines: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    shifts: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    volumes: tuple[VolumeScores, ...]


class Record(Part):
    """A finished, failed or skipped trial."""

    version: Literal[2] = about("of this layout", alias="schema", role=Role.NOTE)
    trial: RecordedTrial = about("what was asked for, and what followed from it")
    status: Literal["ok", "failed", "skipped"] = about("what became of it", role=Role.NOTE)
    reason: str | None = about("why it failed or was skipped", role=Role.NOTE)
    recipe: tuple[dict[str, JsonValue], ...] = sequence("stages with their values, in order", role=Role.NOTE)
    mask: MaskSummary | None = about("what is kept; null unless the trial finished", role=Role.NOTE)
    cost: Cost | None = about("null unless the trial finished", role=Role.NOTE)
    convergence: Convergence | None = about("null without validation patients", role=Role.NOTE)
    metrics: BySplit = about("scores by split", role=Role.NOTE)
    baselines: dict[str, BySplit] = about(
        "scores of `zero_filled`, `cg_sense`, `empty` and `oracle` by split", role=Role.NOTE
    )
    shifts: dict[str, BySplit] = about("scores by split and shift", role=Role.NOTE)
    volumes: tuple[VolumeScores, ...] = sequence("scores of every test volume", role=Role.NOTE)
    provenance: Provenance = about("code, versions, machine, data")
    elsewhere: Elsewhere | None = about(
        "of an evaluation of the trained network: what its scores are of instead; absent in a trial", default=None
    )

    @classmethod
    def of(cls, content: Any) -> "Record":
        """Validate.

        Raises
        ------
        RequestError
            Naming the key that is wrong.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            parts = [str(part) for part in first["loc"] if part not in UNIONS]
            where = ".".join(parts if len(parts) <= DEPTH else [*parts[:DEPTH], "…"]) or "top level"
            raise RequestError(f"record, {where}: {first['msg'].removeprefix('Value error, ')}") from None

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Read and validate a file, also one of an older schema.

        Raises
        ------
        RequestError
            Naming the file.
        """
        try:
            return cls.of(upgraded(read_json(path)))
        except (OSError, ValueError) as error:
            raise RequestError(f"{path}: is not a valid record: {error}") from None
        except RequestError as error:
            raise RequestError(f"{path}: {error}") from None

    def write(self, path: Path) -> None:
        """Write atomically."""
        write_json(path, self.to_json())

    def canonical(self) -> dict[str, Any]:
        """What must be the same whenever and wherever the trial is run with the same numerics.

        Leaves out date, times, latency, memory and how it was saved, whether a stage was reused, host, git and sources.
        """
        content = self.to_json()
        for key in ("git", "dirty", "date", "device"):
            del content["provenance"][key]
        content["provenance"].pop("sources", None)  # older records have none
        if content["cost"] is not None:
            del content["cost"]["latency_ms"], content["cost"]["peak_memory_mb"]
            content["cost"].pop("recomputed", None)  # is there where it is true
            for stage in content["cost"]["stages"]:
                del stage["seconds"], stage["reused"]
        return content

    @classmethod
    def without_results(
        cls, trial: dict[str, Any], recipe: Sequence[JsonValue], provenance: Provenance, status: str, reason: str
    ) -> "Record":
        """The record of a trial that was not carried out.

        Raises
        ------
        RequestError
            Naming the key that is wrong.
        """
        about = {"schema": SCHEMA, "trial": trial, "recipe": recipe, "provenance": provenance}
        nothing = {"mask": None, "cost": None, "convergence": None}
        empty: dict[str, Any] = {"metrics": {}, "baselines": {}, "shifts": {}, "volumes": []}
        return cls.of({**about, **nothing, **empty, "status": status, "reason": reason})

    def finished(self, results: Results) -> "Record":
        """The record of the same trial, carried out.

        Raises
        ------
        RequestError
            If the results contradict each other.
        """
        return Record.of({**self._written(), **vars(results), "status": "ok", "reason": None})

    def evaluated(
        self,
        elsewhere: Elsewhere,
        metrics: Mapping[str, Mapping[str, float | None]],
        baselines: Mapping[str, Mapping[str, Mapping[str, float | None]]],
        shifts: Mapping[str, Mapping[str, Mapping[str, float | None]]],
        volumes: tuple[VolumeScores, ...],
        provenance: Provenance,
    ) -> "Record":
        """An evaluation of the network of this record; scores as in `Results`.

        Raises
        ------
        RequestError
            If the scores contradict each other.
        """
        scores = {"metrics": metrics, "baselines": baselines, "shifts": shifts, "volumes": volumes}
        whose = {"elsewhere": elsewhere, "provenance": provenance, "status": "ok", "reason": None}
        return Record.of({**self._written(), **scores, **whose})

    def failed(self, reason: str) -> "Record":
        """The record of the same trial, with the reason why it failed."""
        return Record.of({**self._written(), "status": "failed", "reason": reason})

    def _written(self) -> dict[str, Any]:
        """What stands in the file; nothing that stays away there."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @property
    def row(self) -> RowName:
        """Its row name."""
        return self.trial.row

    @property
    def seed(self) -> int:
        """That of its trial."""
        return self.trial.seed

    @property
    def ok(self) -> bool:
        """Whether the trial was carried out."""
        return self.status == "ok"

    @property
    def splits(self) -> tuple[str, ...]:
        """Those that were evaluated, in order, without the anatomies of a split of several."""
        return tuple(split for split in self.metrics if "(" not in split)

    @field_validator("metrics")
    @classmethod
    def _order_splits(cls, metrics: BySplit, info: ValidationInfo) -> BySplit:
        return in_order(metrics, _evaluated(info).splits)

    @field_validator("baselines")
    @classmethod
    def _order_baselines(cls, baselines: dict[str, BySplit], info: ValidationInfo) -> dict[str, BySplit]:
        return {name: in_order(scores, _evaluated(info).splits) for name, scores in baselines.items()}

    @field_validator("shifts")
    @classmethod
    def _order_shifts(cls, shifts: dict[str, BySplit], info: ValidationInfo) -> dict[str, BySplit]:
        evaluated = _evaluated(info)
        ordered = in_order(shifts, evaluated.splits)
        return {split: in_order(scores, evaluated.shifts) for split, scores in ordered.items()}

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.ok and not self.reason:
            raise ValueError(f"a trial that is {self.status} has a reason")
        whole = self.mask is not None and self.cost is not None and self.trial.resolved.budget is not None
        if self.ok and not whole and self.elsewhere is None:  # an evaluation may be of weights from anywhere
            raise ValueError("a trial that is ok has mask, cost and budget")
        if self.ok and not self.volumes:
            raise ValueError("a trial that is ok has scores of volumes")
        if self.mask and self.mask.requested != self.trial.sparsity:
            raise ValueError(f"mask.requested is {self.mask.requested}, but the trial's sparsity {self.trial.sparsity}")
        if self.mask and not self.mask.keeps_what_was_asked_for:
            raise ValueError(f"mask keeps {self.mask.kept} of {self.mask.prunable} at sparsity {self.mask.requested}")
        places = [(volume.split, volume.shift, volume.volume) for volume in self.volumes]
        if len(set(places)) < len(places):
            raise ValueError("a volume is listed twice")
        shifted = {(split, shift) for split, by_shift in self.shifts.items() for shift in by_shift if "(" not in split}
        if {(split, shift) for split, shift, _ in places if shift is not None} != shifted:
            raise ValueError("shifts are of other conditions than the volumes")
        listed = {volume.split for volume in self.volumes if volume.shift is None}
        if listed != {split for split in self.metrics if "(" not in split}:
            raise ValueError(f"metrics are of other splits than the volumes: {', '.join(sorted(listed)) or 'none'}")
        check_means(self.metrics, self.volumes)
        for shift in dict.fromkeys(shift for by_shift in self.shifts.values() for shift in by_shift):
            check_means({s: means[shift] for s, means in self.shifts.items() if shift in means}, self.volumes, shift)
        return self


NOTHING = Evaluation(splits=(), shifts=(), volumes=0, slices=0)


def _evaluated(info: ValidationInfo) -> Evaluation:
    """What was asked for, where the trial itself is valid."""
    trial = info.data.get("trial")
    return trial.resolved.evaluation or NOTHING if isinstance(trial, RecordedTrial) else NOTHING


def in_order(by_split: Mapping[str, Value], splits: Sequence[str]) -> dict[str, Value]:
    """A mapping by split in the order in which a track names them, each followed by its anatomies; others at the end.

    Files are sorted by the alphabet, so that whoever reads them again would see another order.
    """
    places = {split: place for place, split in enumerate(splits)}
    return dict(sorted(by_split.items(), key=lambda item: places.get(item[0].split(" (")[0], len(places))))


def upgraded(content: Any) -> Any:
    """The content of an older record as it would be written now; anything else as it is."""
    if isinstance(content, dict) and content.get("schema") == 1 and isinstance(content.get("provenance"), dict):
        # neither was noted
        return {**content, "schema": 2, "convergence": None, "provenance": {**content["provenance"], "date": None}}
    return content


def present(part: Result | None) -> Result:
    """A part that every record of a finished trial has.

    Raises
    ------
    RequestError
        If this one has not.
    """
    if part is None:
        raise RequestError("a record lacks a part that every finished trial has; run the trial again")
    return part
