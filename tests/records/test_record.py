import json
import os
from pathlib import Path

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
    assert record.to_json()["cost"]["latency_ms"] > 0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content.pop("mask"), "mask: Field required"),
        (lambda content: content.update(status="fine"), "status: Input should be 'ok', 'failed' or 'skipped'"),
        (lambda content: content.update(schema=99), "schema: Input should be 2"),
        (lambda content: content["trial"].update(sparsity="1.5"), "trial.sparsity"),
        (lambda content: content["trial"].update(colour="red"), "trial.colour: Extra inputs are not permitted"),
        (lambda content: content["volumes"][0].pop("psnr"), "volumes.0.psnr: Field required"),
    ],
)
def test_wrong_records_are_named_with_their_key(record, tmp_path, spoil, message):
    content = record.to_json()
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


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: b"[" * 100_000, "is nested too deeply"),
        (lambda text: b'{"a":' * 100_000, "is nested too deeply"),
        (lambda text: text.replace(b'"seed": 0', b'"seed": 1' + 400 * b"0", 1), "holds a whole number of 401 digits"),
        (lambda text: text.replace(b'"seed": 0', b'"seed": ' + 5000 * b"1", 1), "holds a whole number of 5000 digits"),
        (lambda text: text.replace(b'"seed": 0', b'"seed": 2147483648', 1), "trial.seed: Input should be less than"),
        (lambda text: text.replace(b'"seed": 0', b'"seed": NaN', 1), "holds NaN, which is no JSON"),
        (lambda text: text.replace(b'"seed": 0', b'"seed": -Infinity', 1), "holds -Infinity, which is no JSON"),
        (lambda text: text.replace(b'"seed": 0', b'"seed": 1e999', 1), "holds the number 1e999, which is too large"),
        (lambda text: text.replace(b'"seed": 0', b'"seed": 1, "seed": 0', 1), "holds the key 'seed' twice"),
        (lambda text: text + b"\xff", "can't decode byte 0xff"),
        (lambda text: text + b"\0", "Extra data"),
        (lambda text: text.decode().encode("utf-16"), "can't decode byte"),
        (lambda text: b"", "Expecting value"),
    ],
)
def test_text_that_nobody_expects_is_named_in_one_line(record, tmp_path, spoil, message):
    path = tmp_path / "record.json"
    record.write(path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(RequestError, match=message) as caught:
        Record.read(path)
    assert str(path) in str(caught.value)


def test_a_file_without_end_is_not_read(record, tmp_path):
    record.write(tmp_path / "record.json")
    os.truncate(tmp_path / "record.json", 10**9)
    os.mkfifo(tmp_path / "pipe")
    for name, message in (
        ("record.json", "is larger than 256 MiB"),
        ("pipe", "is not a regular file"),
        (".", "regular"),
    ):
        with pytest.raises(RequestError, match=message):
            Record.read(tmp_path / name)


def test_a_byte_order_mark_is_no_fault(record, tmp_path):
    record.write(tmp_path / "record.json")
    (tmp_path / "record.json").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "record.json").read_bytes())
    assert Record.read(tmp_path / "record.json") == record


def test_old_records_keep_loading():
    (path,) = (Path(__file__).parent / "old_records").glob("*.json")
    record = Record.read(path)
    assert path.name == "schema-1.json"
    assert (record.version, record.ok, record.convergence) == (2, True, None)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content["metrics"]["knee"].update(psnr=99.0), "psnr of knee is 99, but"),
        (lambda content: content["volumes"].pop(), "are listed"),
        (lambda content: content["mask"].update(kept=content["mask"]["kept"] + 1), "but layers sum to"),
        (lambda content: content["mask"].update(achieved=0.5), "achieved is 0.5, but"),
        (lambda content: content["mask"].update(compression=99.0), "compression is 99, but"),
        (lambda content: content["metrics"]["knee"].update(hfen=99.0), "hfen of knee is 99, but"),
        (lambda content: content.update(volumes=[], metrics={}), "a trial that is ok has scores of volumes"),
        (lambda content: content["metrics"].pop("brain"), "metrics are of other splits than the volumes"),
        (
            lambda content: content["metrics"]["knee"].update(psnr=None),
            "metrics.knee.psnr: Input should be a valid number",
        ),
        (lambda content: content["metrics"]["knee"].update(volumes=0), "metrics.knee.volumes: Input should be greater"),
        (lambda content: content["mask"].update(requested="0.5"), "mask.requested is 0.5, but"),
        (lambda content: content.update(mask=None), "has mask, cost and budget"),
        (lambda content: content.update(status="failed", reason=None), "a trial that is failed has a reason"),
    ],
)
def test_figures_that_contradict_each_other_are_refused(record, spoil, message):
    content = record.to_json()
    spoil(content)
    with pytest.raises(RequestError, match=message):
        Record.of(content)


def test_what_was_not_written_stays_away(record):
    content = record.to_json()
    assert "settings" not in content["trial"]
    assert Record.of(content).to_json() == content


def test_means_under_a_shift_are_those_of_its_volumes(record):
    content = record.to_json()
    content["volumes"] += [{**row, "shift": "noise-20"} for row in content["volumes"]]
    content["shifts"] = {split: {"noise-20": dict(means)} for split, means in content["metrics"].items()}
    assert Record.of(content).shifts["knee"]["noise-20"]["psnr"] == record.metrics["knee"]["psnr"]
    content["shifts"]["knee"]["noise-20"]["ssim"] = 0.123
    with pytest.raises(RequestError, match=r"ssim of knee is 0\.123, but"):
        Record.of(content)


def test_splits_are_in_the_order_of_the_track_whatever_the_order_in_the_file(record, tmp_path):
    content = record.to_json()
    content["trial"]["resolved"]["evaluation"] |= {"splits": ["knee", "fastmri-plus", "brain"], "shifts": ["b", "a"]}
    content["volumes"] += [{**row, "shift": shift} for shift in ("a", "b") for row in content["volumes"]]
    content["shifts"] = {split: {"a": scores, "b": scores} for split, scores in sorted(content["metrics"].items())}
    Record.of(content).write(tmp_path / "record.json")
    read = Record.read(tmp_path / "record.json")
    splits = ["knee", "fastmri-plus", "fastmri-plus (brain)", "fastmri-plus (knee)", "brain"]
    assert list(read.metrics) == list(read.shifts) == splits
    assert all(list(scores) == splits for scores in read.baselines.values())
    assert all(list(scores) == ["b", "a"] for scores in read.shifts.values())
    assert read.splits == ("knee", "fastmri-plus", "brain")
    read.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "record.json").read_bytes()
