"""What parts rows, pairs and tables; and that a field which is added does."""

import pytest

from bench.trials.run import run
from records.fields import Role, about
from records.record import Record
from records.setting import (
    Setting,
    apart_in_pair,
    apart_in_row,
    cell_of,
    check_tables,
    newest_of,
    one_row,
    tables,
    trial_key,
)
from records.trial import RecordedTrial
from registries import RequestError
from tests.bench.toy import toy_plan


@pytest.fixture(scope="module")
def record(tmp_path_factory, cache_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        return run(toy_plan(tmp_path_factory.mktemp("out")), False, lambda line: None)


def changed(record, path, value):
    content = record.to_json()
    *folders, name = path.split(".")
    place = content
    for folder in folders:
        place = place[folder]
    place[name] = value
    return Record.of(content)


@pytest.mark.parametrize(
    ("path", "value", "row", "pair"),
    [
        ("trial.size", "demo", True, True),
        ("trial.train_on", "brain", True, True),
        ("trial.acceleration", 8, True, True),
        ("trial.protocol", "equal-total", True, True),
        ("trial.resolved.training.batch", 7, True, True),
        ("trial.resolved.training.steps", 7, True, False),
        ("trial.resolved.training.weight_decay", 0.3, True, False),
        ("trial.resolved.preparation.version", 99, True, True),
        ("trial.resolved.preparation.maps.kind", "espirit", True, True),
        ("trial.resolved.evaluation.volumes", 3, True, True),
        ("trial.resolved.evaluation.shifts", ["noise-20"], False, False),
        ("trial.resolved.variant", {"init": "torch"}, True, True),
        ("trial.resolved.budget", 7, True, True),
        ("trial.resolved.width", 0.5, True, False),
        ("trial.resolved.threads", 8, False, False),
        ("trial.options.batches", 3, True, False),
        ("trial.seed", 5, False, False),
        ("provenance.data.identity", "another", True, True),
        ("provenance.numerics.device", "cuda", True, True),
        ("provenance.numerics.torch", "another", False, False),
        ("provenance.device", "an abacus", False, False),
        ("provenance.git", None, False, False),
    ],
)
def test_each_field_does_what_its_role_says(record, path, value, row, pair):
    other = changed(record, path, value)
    assert bool(apart_in_row(record, other)) == row
    assert bool(apart_in_pair(record, other)) == pair
    assert not apart_in_row(record, record)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ((False, "1"), (False, "2"), None),  # of two commits
        ((False, "1"), (False, None), None),  # of an older record
        ((False, "1"), (None, None), None),  # of an older record without git
        ((False, "1"), (None, "2"), "nothing / 2"),  # without git, where nobody can tell
        ((True, "1"), (True, "1"), None),
        ((True, "1"), (True, "2"), "1 / 2"),
        ((True, "1"), (False, "1"), "1 / nothing"),
        ((False, None), (True, None), "nothing / unknown"),
    ],
)
def test_edited_sources_of_the_suite_part_pairs_rows_and_tables(record, a, b, words):
    one, other = (
        record.model_copy(
            update={"provenance": record.provenance.model_copy(update={"dirty": dirty, "sources": sources})}
        )
        for dirty, sources in (a, b)
    )
    wanted = () if words is None else (f"edits of the suite's sources {words}",)
    assert apart_in_row(one, other) == apart_in_pair(one, other) == wanted
    assert (trial_key(one) == trial_key(other)) == (words is None)
    if words:
        with pytest.raises(RequestError, match=f"cannot share a table: edits of the suite's sources {words}"):
            check_tables([one, other], "here")


def test_another_version_of_the_network_parts_pairs_and_rows(record):
    content = record.to_json()
    content["provenance"]["entries"][0]["version"] += 1
    other = Record.of(content)
    assert apart_in_row(record, other)
    assert apart_in_pair(record, other) == ("version of modl 1 (built-in) / 2 (built-in)",)


def test_a_field_that_is_added_parts_rows_unless_it_says_otherwise(record, monkeypatch):
    """Written by somebody who thought of nothing but their field."""

    class Later(RecordedTrial):
        gradient_clipping: str = about("made up for this test", default="norm")
        remark: str = about("made up for this test", role=Role.NOTE, default="")

    def with_field(**values):
        later = Later.model_validate({**record.trial.to_json(), **values})
        return record.model_copy(update={"trial": later})

    plain, clipped, noted = with_field(), with_field(gradient_clipping="value"), with_field(remark="hello")
    assert apart_in_row(plain, clipped) == ("gradient_clipping norm / value",)
    assert apart_in_pair(plain, clipped) == ("gradient_clipping norm / value",)
    assert trial_key(plain) != trial_key(clipped)
    assert len(tables([plain, clipped, noted])) == 2
    with pytest.raises(RequestError, match="here has it with gradient_clipping norm / value"):
        one_row([plain, clipped], "here")
    with pytest.raises(RequestError, match="cannot share a table: gradient_clipping norm / value"):
        check_tables([plain, clipped], "here")
    assert not apart_in_row(plain, noted)


def test_words_are_those_of_the_command_line(record):
    other = changed(record, "trial.resolved.training.batch", 7)
    assert apart_in_pair(record, other) == ("train.batch 1 / 7",)


def test_what_was_carried_out_counts_rather_than_what_failed(record):
    failed = record.model_copy(update={"status": "failed", "reason": "no luck"})
    assert newest_of([failed, record, record]) == [record]
    assert newest_of([failed]) == [failed]
    content = record.to_json()
    for row in content["volumes"]:
        row["psnr"] += 1
    for split in content["metrics"].values():
        split["psnr"] += 1
    with pytest.raises(RequestError, match="occurs twice, with other results"):
        newest_of([record, Record.of(content)])


def test_a_setting_holds_the_cells_of_its_records(record):
    setting = Setting.of(record)
    assert setting.holds(cell_of(record))
    assert not setting.holds(cell_of(record)._replace(acceleration=8))
    assert str(setting) == "size toy, trained on knee, 4×, cpu"
