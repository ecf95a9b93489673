"""Trial ids of published rows: each is a hash of its stage keys and of what it was evaluated on."""

import json
from pathlib import Path

import pytest

from bench.check.rerun import plan_again, request_of
from records.archive import read_archive

PUBLISHED = Path(__file__).parents[3] / "leaderboards" / "published" / "mini"
NAMES = json.loads(Path(__file__).with_name("published_ids.json").read_text())


@pytest.mark.show
def test_trial_ids_of_published_rows_stay(tmp_path, monkeypatch, suite_of):
    """Those that were published when this was written; it takes the data of the track, which are simulated first."""
    suite_of("those of a commit", edited=False)
    names = set()
    for record in read_archive(PUBLISHED):
        numerics = record.provenance.numerics.to_json()
        numerics.pop("capability", None)  # noted beside what keys hold
        monkeypatch.setattr("bench.trials.plan.describe_numerics", lambda *_, found=numerics: found)
        names.add(plan_again(record, request_of(record, None, "cpu", str(tmp_path))).folder.name)
    assert set(NAMES) <= names
