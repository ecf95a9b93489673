"""One sentence on a finished trial: sign, ties, missing baselines, intervals."""

import copy

import pytest

from bench.trials.run import run
from leaderboards.rows.verdict import verdict
from records.record import Record
from tests.bench.toy import toy_plan
from tests.records.contents import with_means


@pytest.fixture(scope="module")
def content(tmp_path_factory, cache_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        found = run(toy_plan(tmp_path_factory.mktemp("out"), sparsity="0.5"), False, lambda line: None).to_json()
    return {**found, "mask": {**found["mask"], "disconnected": []}}


@pytest.fixture
def trial(content):
    """A record whose volumes of each split have these PSNR, and baselines these by split."""

    def make(psnr, baselines=None, dense=False, **mask):
        changed = copy.deepcopy(content)
        for row in changed["volumes"]:
            values = psnr[row["split"]]
            row["psnr"] = row["psnr_scaled"] = values[sorted(_patients(content, row["split"])).index(row["patient"])]
        changed = with_means(changed)
        for name, values in (baselines or {}).items():
            known = changed["baselines"][name]
            changed["baselines"][name] = {split: {**known[split], "psnr": value} for split, value in values.items()}
        for name in {"cg_sense", "empty"} - set(baselines or {}):
            del changed["baselines"][name]
        changed["mask"] |= mask
        return Record.of(changed)

    return make


def _patients(content, split):
    return {row["patient"] for row in content["volumes"] if row["split"] == split}


FLAT = {"knee": [30.0, 30.0], "brain": [25.0, 25.0], "fastmri-plus": [20.0, 20.0]}


def parts(sentence):
    head, _, rest = sentence.partition(": ")
    assert head == "verdict on seed 0 alone, PSNR (another seed may differ)"
    return rest.split("; ")


def test_each_split_stands_against_the_better_baseline_in_the_order_of_the_track(trial):
    record = trial(
        FLAT,
        {
            "cg_sense": {"knee": 29.16, "brain": 25.5, "fastmri-plus": 20.004},
            "empty": {"knee": 29.0, "brain": 26.0, "fastmri-plus": 18.0},
        },
    )
    assert parts(verdict(record)) == [
        "knee: 0.84 dB above CG-SENSE",
        "brain: 1.00 dB below `empty`",
        "fastmri-plus: level with CG-SENSE",
    ]


def test_a_missing_baseline_is_said_and_one_of_two_is_enough(trial):
    record = trial(FLAT, {"empty": {"knee": 29.0}})
    assert parts(verdict(record)) == [
        "knee: 1.00 dB above `empty`",
        "brain: neither CG-SENSE nor `empty` to compare with",
        "fastmri-plus: neither CG-SENSE nor `empty` to compare with",
    ]


def test_against_dense_the_interval_over_patients_decides(trial):
    better, worse, open_ = [31.0, 31.004], [24.0, 24.004], [19.0, 22.0]
    record = trial({"knee": better, "brain": worse, "fastmri-plus": open_})
    assert [part.rpartition(", ")[2] for part in parts(verdict(record, trial(FLAT)))] == [
        f"1.00 dB better than {record.row}",
        f"1.00 dB worse than {record.row}",
        f"indistinguishable from {record.row}",
    ]
    assert all(part.endswith(f"indistinguishable from {record.row}") for part in parts(verdict(record, record)))


def test_less_than_two_decimals_show_is_not_called_nothing(trial):
    record = trial({**FLAT, "knee": [30.002, 30.0021]})
    assert f"less than 0.01 dB better than {record.row}" in verdict(record, trial(FLAT))


def test_a_single_patient_decides_nothing(trial):
    found = []
    for psnr in ({**FLAT, "knee": [31.0, 31.0]}, FLAT):
        changed = trial(psnr).to_json()
        for row in changed["volumes"]:
            row["patient"] = "the same"
        found.append(Record.of({**with_means(changed), "baselines": changed["baselines"]}))
    assert "1.00 dB above modl/snip/at-init/0.5 on a single patient, which decides nothing" in verdict(*found)


def test_a_mask_that_cuts_the_network_is_no_verdict_on_the_method(trial):
    assert "says nothing" not in verdict(trial(FLAT))
    cut = verdict(trial(FLAT, disconnected=["denoiser"]))
    assert cut.endswith("; disconnected, so this says nothing about the method")
