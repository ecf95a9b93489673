"""The page and the schema are those of the code."""

import json
from pathlib import Path

import jsonschema

from records.document import PAGE, SCHEMA_FILE, page, schema
from records.record import Record

DOCS = Path(__file__).parents[2] / "docs"


def test_page_and_schema_are_made_of_the_code():
    """`make docs` writes them anew."""
    assert (DOCS / PAGE).read_text(encoding="utf-8") == page()
    assert (DOCS / SCHEMA_FILE).read_text(encoding="utf-8") == schema()


def test_every_field_says_what_it_means():
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 90
    assert all(line.split("|")[3].strip() not in ("", "None") for line in rows)


def test_the_schema_accepts_records_and_refuses_others():
    (path,) = (Path(__file__).parent / "old_records").glob("*.json")
    content = Record.read(path).to_json()
    validator = jsonschema.Draft202012Validator(json.loads(schema()))
    validator.validate(content)
    assert not validator.is_valid({**content, "status": "fine"})
