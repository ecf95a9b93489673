import pytest

from bench.trials.run import run
from leaderboards.rows.pair import dense_partner, paired_lines
from records.record import FILE, Record
from tests.bench.toy import toy_plan
from tests.records.contents import with_means


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


def test_differences_are_paired_by_patient(records):
    _, found = records
    first, *lines = paired_lines(found["snip"], found["dense"])
    assert first.startswith("paired change against modl/dense, PSNR dB, conditional on these trained networks")
    assert len(lines) == len([split for split in found["snip"].metrics if "(" not in split])
    for line in lines:
        split, change = line.split(": ")[0].strip(), float(line.split()[1])
        means = [found[name].metrics[split]["psnr"] for name in ("snip", "dense")]
        assert change == pytest.approx(means[0] - means[1], abs=6e-4)
        assert f"n = {found['snip'].metrics[split].patients} patients" in line


def test_volumes_of_one_patient_count_once(records):
    _, found = records
    changed = []
    for name in ("snip", "dense"):
        content = found[name].to_json()
        for row in content["volumes"]:
            row["patient"] = "the same"
        changed.append(Record.of(with_means(content)))
    assert all("(a single patient, n = 1 patients)" in line for line in list(paired_lines(*changed))[1:])


def test_shifted_rows_do_not_enter_the_paired_change_of_a_run(records):
    folder, found = records
    plain = list(paired_lines(found["snip"], found["dense"]))
    richer = {}
    for name in ("snip", "dense"):
        content = found[name].to_json()
        content["volumes"] += [{**row, "shift": "noise-10", "psnr": row["psnr"] - 9} for row in content["volumes"]]
        content["trial"]["resolved"]["evaluation"]["shifts"] = ["noise-10"]
        richer[name] = Record.of(with_means(content))
    assert list(paired_lines(richer["snip"], richer["dense"])) == plain
    assert list(paired_lines(richer["snip"], found["dense"])) == plain
    assert dense_partner(folder, richer["snip"]) == found["dense"]
