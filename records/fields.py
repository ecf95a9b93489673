"""Fields of a record: what each means, its unit, and what it is to a comparison."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict

from registries import RequestError

Value = bool | int | float | str | None


class Role(StrEnum):
    """What a field is to a comparison; one that says nothing is part of the `SETTING`."""

    SETTING = "setting"
    """Trials that differ in it never meet in one table."""
    NETWORK = "network"
    """A track may set it for each architecture; trials that differ in it are never paired."""
    ROW = "row"
    """Told by the row's name: rows of a pair may differ in it, trials of a row do not."""
    TRIAL = "trial"
    """Tells the trials of a row apart."""
    NOTE = "note"
    """Follows from the others, or is a result."""


class Part(BaseModel):
    """A part of a record: frozen, without unknown keys; what was not written stays away when written again."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)

    @classmethod
    def made_of(cls, **values: Any) -> Self:
        """Of values that come from a user.

        Raises
        ------
        RequestError
            Naming the first that is wrong.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise RequestError(f"{where} {first['input']!r}: {first['msg'].lower()}") from None

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def about(
    description: str,
    unit: str | None = None,
    role: Role | None = None,
    roles: Mapping[str, Role] | None = None,
    **rules: Any,
) -> Any:
    """A field of a record.

    Parameters
    ----------
    description : str
        What it means, for people.
    unit : str, optional
    role : Role, optional
        That of the part that it belongs to, where it is left away.
    roles : mapping of str to Role, optional
        Of single names in a field that is a mapping.
    **rules
        Default, alias and limits, as `pydantic.Field` takes them.
    """
    notes: JsonDict = {"unit": unit, "role": role, "roles": {name: str(one) for name, one in (roles or {}).items()}}
    return Field(description=description, json_schema_extra={k: v for k, v in notes.items() if v}, **rules)


def sequence(description: str, **rules: Any) -> Any:
    """A field that is a tuple here and an array in the file."""
    return about(description, strict=False, **rules)


def leaves(part: Part, role: Role = Role.SETTING, path: str = "") -> Iterator[tuple[str, Role, Any]]:
    """Every field below a part as (dotted name in the file, role, value); a tuple counts as one value."""
    for name, field in type(part).model_fields.items():
        notes = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        own = Role(str(notes.get("role", role)))
        where = f"{path}{field.alias or name}"
        value = getattr(part, name)
        if isinstance(value, Part):
            yield from leaves(value, own, f"{where}.")
        elif isinstance(value, dict):
            special: Any = notes.get("roles", {})
            for key, one in value.items():
                yield f"{where}.{key}", Role(special.get(key, own)), one
        else:
            yield where, own, value
