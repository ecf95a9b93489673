"""Answers from what was computed before: of this very trial, or computed anew."""

import pytest

from bench.sweep.cells import Cell
from bench.sweep.driver import Sweep
from bench.sweep.finished import Finished
from bench.sweep.task import Task, carry_out
from bench.trials.plan import plan
from bench.trials.run import answer_from_store, run
from records.record import FILE, Record
from tests.bench.toy import toy_plan, toy_request


@pytest.mark.parametrize("fault", ["truncated", "of another seed"])
def test_a_record_that_is_none_of_this_trial_is_set_aside(tmp_path, fault):
    planned = toy_plan(tmp_path, pruner="dense")
    record = run(planned, False, lambda line: None)
    assert answer_from_store(planned, pytest.fail) == record
    path = planned.folder / FILE
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:500])
    else:
        run(toy_plan(tmp_path, pruner="dense", seed=1), False, lambda line: None).write(path)
    said: list[str] = []
    assert answer_from_store(planned, said.append) is None
    assert len(said) == 1
    assert str(path) in said[0]
    assert not path.exists()
    result = carry_out(Task(toy_request(tmp_path, pruner="dense"), {}, str(planned.folder)))
    assert (result.status, result.recorded) == ("ok", True)
    assert Record.read(path).canonical() == record.canonical()


def test_what_keeps_a_worker_from_its_trial_is_no_failed_row(tmp_path):
    """Its log cannot be written; its track is gone."""
    request = toy_request(tmp_path, pruner="dense")
    folder = plan(request).folder
    (folder / "log.txt").mkdir(parents=True)
    result = carry_out(Task(request, {}, str(folder)))
    assert result.status == "stopped"
    assert "cannot write there" in str(result.reason)
    gone = toy_request(tmp_path, pruner="dense", track=str(tmp_path / "gone.toml"))
    result = carry_out(Task(gone, {}, str(folder)))
    assert result.status == "stopped"
    assert "gone.toml" in str(result.reason)
    assert not (folder / FILE).exists()


def test_a_sweep_counts_a_copied_record_as_pending(tmp_path):
    request = toy_request(tmp_path, pruner="dense")
    planned = plan(request)
    sweep = Sweep(planned.resolved.track, [Cell(request, planned)], tmp_path, {})
    for seed, outcome in ((0, "ok"), (1, "pending")):
        run(toy_plan(tmp_path, pruner="dense", seed=seed), False, lambda line: None).write(planned.folder / FILE)
        sweep.inventory(Finished([]), False)
        assert sweep.outcomes[-1] == outcome
