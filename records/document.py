"""docs/record.md and docs/record.schema.json, made of the records' own fields: ``python -m records.document docs``."""

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from records.fields import Role
from records.record import FILE, SCHEMA, Record

PAGE, SCHEMA_FILE = "record.md", "record.schema.json"
WORDS = {
    Role.SETTING: "setting",
    Role.NETWORK: "network",
    Role.ROW: "row",
    Role.TRIAL: "trial",
    Role.NOTE: "",
}
HEAD = f"""# The record

Every trial leaves `{FILE}`: one JSON file, written whole or not at all, validated whenever it is read. This page and
[{SCHEMA_FILE}]({SCHEMA_FILE}) are made of the code by `make docs`. This is schema {SCHEMA}; records of older ones keep
loading.

The last column says what a field is to a comparison. Trials that differ in a **setting** never meet in one table; those
that differ in a **network** field are never paired; rows of a pair may differ in a **row** field, trials of one row do
not; a **trial** field tells the trials of a row apart. What follows from other fields, or is a result, has none.

Figures that follow from others are checked on reading: kept weights against layers, sparsity and compression against
both, means of a split against its volumes.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for model, role in _models(Record).items():
        summary = (model.__doc__ or "").strip().splitlines()[0]
        parts += [f"## {_title(model)}\n", f"{summary}\n", *_table(model, role), ""]
    return "\n".join(parts)


def schema() -> str:
    """JSON schema of a record."""
    return json.dumps(Record.model_json_schema(by_alias=True), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _table(model: type[BaseModel], role: Role) -> Iterator[str]:
    yield "| field | type | meaning | comparison |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        notes = _notes(field)
        unit = f", {notes['unit']}" if "unit" in notes else ""
        special = (f"`{key}`: {WORDS[Role(one)]}" for key, one in notes.get("roles", {}).items())
        whole = "" if any(_inner(field.annotation)) else WORDS[_role(field, role)]  # said of each of its parts
        roles = ", ".join(part for part in (whole, *special) if part)
        yield f"| `{field.alias or name}` | {_type(field.annotation)} | {field.description}{unit} | {roles} |"


def _notes(field: FieldInfo) -> dict[str, Any]:
    return dict(field.json_schema_extra) if isinstance(field.json_schema_extra, dict) else {}


def _role(field: FieldInfo, inherited: Role) -> Role:
    return Role(str(_notes(field).get("role", inherited)))


def _models(model: type[BaseModel]) -> dict[type[BaseModel], Role]:
    """A model and those below it, in the order in which they are met, with the role of their fields."""
    found: dict[type[BaseModel], Role] = {}

    def visit(one: type[BaseModel], role: Role) -> None:
        if one not in found:
            found[one] = role
            for field in one.model_fields.values():
                for part in _inner(field.annotation):
                    visit(part, _role(field, role))

    visit(model, Role.SETTING)
    return found


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _inner(part)


def _title(model: type[BaseModel]) -> str:
    """``MaskSummary`` as `mask summary`."""
    return (
        "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in model.__name__).strip().capitalize()
    )


def _type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(part) for part in parts))
    if origin is tuple:
        return f"array of {_type(parts[0])}"
    if origin is dict:
        return f"object of {_type(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        title = _title(annotation)
        return f"[{title.lower()}](#{title.lower().replace(' ', '-')})"
    names = {str: "text", int: "integer", float: "number", bool: "truth", type(None): "null"}
    return names.get(annotation, "any JSON")


def main(folder: Path) -> None:
    """Write both files."""
    (folder / PAGE).write_text(page(), encoding="utf-8", newline="\n")
    (folder / SCHEMA_FILE).write_text(schema(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
