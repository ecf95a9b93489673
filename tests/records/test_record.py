import json

import pytest

from bench.trials.run import run
from records.record import Record
from registries import RequestError
from tests.bench.toy import toy_plan


@pytest.fixture(scope="module")
def record(tmp_path_factory, cache_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        return run(toy_plan(tmp_path_factory.mktemp("out")), False, lambda line: None)


def test_records_come_back_from_their_file(record, tmp_path):
    record.write(tmp_path / "record.json")
    assert Record.read(tmp_path / "record.json") == record
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_canonical_leaves_out_what_may_differ(record):
    canonical = record.canonical()
    text = json.dumps(canonical)
    for word in ("seconds", "latency", "peak_memory", "reused", '"git"', "dirty"):
        assert word not in text
    assert "device" not in canonical["provenance"]
    assert record.content["cost"]["latency_ms"] > 0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content.pop("mask"), "'mask' is a required property"),
        (lambda content: content.update(status="fine"), "status: 'fine' is not one of"),
        (lambda content: content.update(schema=99), "schema: 2 was expected"),
        (lambda content: content["trial"].update(sparsity="1.5"), "trial.sparsity"),
        (lambda content: content["trial"].update(colour="red"), "trial: Additional properties"),
        (lambda content: content["volumes"][0].pop("psnr"), "volumes.0: 'psnr' is a required"),
    ],
)
def test_wrong_records_are_named_with_their_key(record, tmp_path, spoil, message):
    content = json.loads(json.dumps(record.content))
    spoil(content)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RequestError) as caught:
        Record.read(path)
    assert message in str(caught.value)
    assert "record.json" in str(caught.value)


def test_no_json_is_named(tmp_path):
    for text in ("{", "null", "[]"):
        (tmp_path / "record.json").write_text(text)
        with pytest.raises(RequestError, match="record"):
            Record.read(tmp_path / "record.json")
