"""Stage keys and trial ids stay what they are: a change would void what is stored and published.

Where one has to change, say so in the commit, and write the new one here.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.trials.plan import plan, stage_keys
from bench.trials.request import Request

GOLDEN = json.loads(Path(__file__).with_name("golden_keys.json").read_text())


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_keys_are_golden(name, tmp_path, monkeypatch, suite_of):
    suite_of("those of a commit", edited=False)

    def numerics(device, threads, precision):
        return {"device": "cpu", "dtype": "float32", "tf32": False, "threads": threads, "torch": "golden"}

    monkeypatch.setattr("bench.trials.plan.describe_numerics", numerics)
    golden = GOLDEN[name]
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in golden["request"].items()}
    planned = plan(Request(**values, size="toy", device="cpu", out=str(tmp_path)))
    assert [key[:16] for key in stage_keys(planned)] == golden["stages"]
    assert planned.folder.name == golden["folder"]
