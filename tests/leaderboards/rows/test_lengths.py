"""Under-trained, trained or overfitting: dense networks of several lengths, judged on validation patients."""

import pytest

from bench.cli import main
from bench.trials.run import run
from leaderboards.rows.lengths import OVERFITTING, TRAINED, UNDER_TRAINED, UNKNOWN, lengths_of, table
from records.record import FILE, Record
from tests.bench.toy import toy_plan


@pytest.fixture(scope="module")
def dense(tmp_path_factory, cache_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        return run(toy_plan(tmp_path_factory.mktemp("out"), pruner="dense"), False, lambda line: None)


def of_length(record, steps, psnr, seed=0, **trial):
    content = record.to_json()
    content["convergence"] = {"psnr_at_end": psnr, "validation_loss": 0.2, "training_loss": 0.1}
    content["trial"] |= {"seed": seed, **trial}
    content["trial"]["resolved"]["budget"] = steps
    return Record.of(content)


def states(record, qualities):
    found = lengths_of([of_length(record, steps, psnr) for steps, psnr in qualities.items()])
    assert [one.steps for one in found] == sorted(qualities)
    return [one.state for one in found]


@pytest.mark.parametrize(
    ("qualities", "expected"),
    [
        ({100: 30.0}, [UNKNOWN]),
        ({100: 30.0, 200: 30.1}, [UNDER_TRAINED, UNKNOWN]),
        ({100: 30.0, 200: 30.09}, [TRAINED, UNKNOWN]),
        ({100: 30.0, 200: 31.0, 400: 30.95}, [UNDER_TRAINED, TRAINED, UNKNOWN]),
        ({100: 30.0, 200: 31.0, 400: 30.8}, [UNDER_TRAINED, TRAINED, OVERFITTING]),
        ({100: 31.0, 200: 30.5, 400: 31.2}, [TRAINED, OVERFITTING, UNKNOWN]),
        ({100: 30.0, 300: 30.5}, [UNKNOWN, UNKNOWN]),
    ],
)
def test_the_state_is_that_of_doubling(dense, qualities, expected):
    assert states(dense, qualities) == expected


def test_lengths_are_compared_over_common_seeds_of_plain_dense_networks(dense):
    records = [
        of_length(dense, 100, 30.0),
        of_length(dense, 100, 30.3, seed=1),
        of_length(dense, 200, 30.2),
        of_length(dense, 400, 99.0, control="wd"),
        of_length(dense, 400, 99.0, settings={"train.loss": "mse"}),
        dense,  # the toy has no validation patients
    ]
    first, second = lengths_of(records)
    assert first.psnr == pytest.approx(30.15)
    assert first.seeds == (0, 1)
    assert first.state == UNDER_TRAINED  # 0.2 dB in seed 0; seed 1, which has no partner, would make it 0.05
    assert (second.steps, second.training_loss, second.validation_loss) == (200, 0.1, 0.2)
    assert second.test["knee"] == dense.to_json()["metrics"]["knee"]["psnr"]
    head, row, _ = table([first, second])
    assert row[: len(head) - 4] == ["modl", "100", "2", "0.1000", "0.2000", "30.15"]
    assert row[-1] == UNDER_TRAINED


def test_the_command_prints_a_table_or_one_line(dense, tmp_path, capsys):
    for steps, psnr in ((100, 30.0), (200, 30.5)):
        of_length(dense, steps, psnr).write(tmp_path / "a" / str(steps) / FILE)
    assert main(["lengths", str(tmp_path / "a")]) == 0
    out = capsys.readouterr().out
    assert "trained on knee, 4×, cpu, standard protocol, simulated data " in out
    assert "under-trained" in out
    dense.write(tmp_path / "b" / FILE)
    assert main(["lengths", str(tmp_path / "b")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
