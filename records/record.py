"""Records: one validated JSON file per trial."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from records.trial import row_name, settings_suffix
from registries import RequestError
from registries.files import write_json
from registries.hashing import content_key

SCHEMA = 2
FILE = "record.json"
UNFINISHED: Mapping[str, Any] = {
    "mask": None,
    "cost": None,
    "convergence": None,
    "metrics": {},
    "baselines": {},
    "shifts": {},
    "volumes": [],
}
"""What a record holds of results before there are any."""


@dataclass(frozen=True)
class Record:
    """A finished, failed or skipped trial.

    Attributes
    ----------
    content : mapping
        As in ``record.schema.json``.
    """

    content: Mapping[str, Any]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Record":
        """Validate.

        Raises
        ------
        RequestError
            Naming the key that is wrong.
        """
        error = jsonschema.exceptions.best_match(_validator().iter_errors(content))
        if error is not None:
            where = ".".join(str(part) for part in error.absolute_path) or "top level"
            raise RequestError(f"record, {where}: {error.message}")
        return cls(content)

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Read and validate a file, also one of an older schema.

        Raises
        ------
        RequestError
            Naming the file.
        """
        try:
            return cls.of(upgraded(json.loads(path.read_text())))
        except (OSError, ValueError) as error:
            raise RequestError(f"{path}: is not a valid record: {error}") from None
        except RequestError as error:
            raise RequestError(f"{path}: {error}") from None

    def write(self, path: Path) -> None:
        """Write atomically."""
        write_json(path, self.content)

    def canonical(self) -> dict[str, Any]:
        """What must be the same whenever and wherever the trial is run with the same numerics.

        Leaves out date, times, latency, memory, whether a stage was reused, host and git.
        """
        content = deepcopy(dict(self.content))
        for key in ("git", "dirty", "date", "device"):
            del content["provenance"][key]
        if content["cost"] is not None:
            del content["cost"]["latency_ms"], content["cost"]["peak_memory_mb"]
            for stage in content["cost"]["stages"]:
                del stage["seconds"], stage["reused"]
        return content

    @property
    def trial(self) -> Mapping[str, Any]:
        """The trial, with everything resolved."""
        trial: Mapping[str, Any] = self.content["trial"]
        return trial

    @property
    def row(self) -> str:
        """Its row name."""
        trial = self.trial
        settings = trial.get("settings", {})
        return row_name(trial["arch"], trial["pruner"], trial["timing"], trial["sparsity"], trial["control"], settings)

    @property
    def conditions(self) -> str:
        """Settings that are not the pruner's, as they stand in its row name: rows that differ in them never pair."""
        settings = self.trial.get("settings", {})
        return settings_suffix({name: v for name, v in settings.items() if not name.startswith("pruner.")})

    @property
    def ok(self) -> bool:
        """Whether the trial was carried out."""
        return bool(self.content["status"] == "ok")


def asked(content: Mapping[str, Any]) -> str:
    """Key of what a record is of: the trial, its settings, the data, whose code; not where and when it ran."""
    trial, source = dict(content["trial"]), content["provenance"]
    resolved = dict(trial.pop("resolved"))
    trial.pop("settings", None)  # options, training, preparation and variant say the same
    resolved["evaluation"] = {name: v for name, v in resolved["evaluation"].items() if name != "shifts"}
    # the declared network is known by its entry; only what deviates from it makes another trial
    resolved = {name: v for name, v in resolved.items() if name != "init" and (name, v) != ("variant", {})}
    parts = [trial, resolved, source["data"]["identity"], source["numerics"]["device"], source["entries"]]
    return content_key(parts)


def upgraded(content: Any) -> Any:
    """The content of an older record as it would be written now; anything else as it is."""
    if isinstance(content, dict) and content.get("schema") == 1 and isinstance(content.get("provenance"), dict):
        # neither was noted
        return {**content, "schema": 2, "convergence": None, "provenance": {**content["provenance"], "date": None}}
    return content


@cache
def _validator() -> Any:
    schema = json.loads(resources.files("records").joinpath("record.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)
