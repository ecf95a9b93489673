import json

import pytest
from scipy.stats import ttest_rel

from bench.trials.run import run
from leaderboards.rows.pair import dense_partner, interval, paired_differences, paired_lines
from records.record import FILE, Record
from tests.bench.toy import toy_plan


@pytest.fixture(scope="module")
def records(tmp_path_factory, cache_root):
    folder = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        plans = {
            "dense": toy_plan(folder, pruner="dense"),
            "snip": toy_plan(folder),
            "other seed": toy_plan(folder, seed=1),
        }
        found = {name: run(planned, False, lambda line: None) for name, planned in plans.items()}
    return folder, found


def test_the_dense_partner_shares_everything_but_pruning(records):
    folder, found = records
    assert dense_partner(folder, found["snip"]) == found["dense"]
    assert dense_partner(folder, found["other seed"]) is None
    assert dense_partner(folder, found["dense"]) is None
    (folder / "modl-dense_broken").mkdir()
    (folder / "modl-dense_broken" / FILE).write_text("{")
    assert dense_partner(folder, found["snip"]) == found["dense"]


def test_differences_are_paired_by_volume(records):
    _, found = records
    differences = paired_differences(found["snip"], found["dense"], "psnr")
    assert {split: len(values) for split, values in differences.items()} == {
        split: summary["volumes"] for split, summary in found["snip"].content["metrics"].items() if "(" not in split
    }
    for split, values in differences.items():
        means = [found[name].content["metrics"][split]["psnr"] for name in ("snip", "dense")]
        assert sum(values) / len(values) == pytest.approx(means[0] - means[1])
    lines = list(paired_lines(found["snip"], found["dense"]))
    assert "conditional on these trained networks" in lines[0]
    assert len(lines) == 1 + len(differences)


def test_volumes_of_one_patient_count_once(records):
    _, found = records
    content = json.loads(json.dumps(found["snip"].content))
    for row in content["volumes"]:
        row["patient"] = "the same"
    (values,) = set(map(len, paired_differences(Record.of(content), found["dense"], "psnr").values()))
    assert values == 1


def test_interval_is_students():
    first, second = [1.0, 2.5, 3.0, 4.2], [0.8, 2.0, 3.3, 3.5]
    expected = ttest_rel(first, second).confidence_interval(0.95)
    found = interval([a - b for a, b in zip(first, second, strict=True)])
    assert found == pytest.approx((expected.low, expected.high))
    assert interval([1.0]) == (-float("inf"), float("inf"))


def test_shifted_rows_do_not_enter_the_paired_change_of_a_run(records):
    folder, found = records
    plain = paired_differences(found["snip"], found["dense"], "psnr")
    richer = {}
    for name in ("snip", "dense"):
        content = json.loads(json.dumps(dict(found[name].content)))
        content["volumes"] += [{**row, "shift": "noise-10", "psnr": row["psnr"] - 9} for row in content["volumes"]]
        content["trial"]["resolved"]["evaluation"]["shifts"] = ["noise-10"]
        richer[name] = Record.of(content)
    assert paired_differences(richer["snip"], richer["dense"], "psnr") == plain
    assert paired_differences(richer["snip"], found["dense"], "psnr") == plain
    assert dense_partner(folder, richer["snip"]) == found["dense"]
