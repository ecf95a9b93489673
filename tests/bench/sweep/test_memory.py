"""A trial that finds no room on its GPU: tried again with more of it before it has failed."""

from concurrent.futures import Future

import pytest
import torch

from bench.cli import main
from bench.machine.faults import GpuMemoryError, raise_if_gpu_is_full
from bench.sweep.local import LocalExecutor
from bench.sweep.task import Result, Task
from bench.trials.run import run
from pruners import pruners
from records.record import FILE, Record
from tests.bench.sweep.tracks import GRID, write_track
from tests.bench.toy import toy_plan, toy_request

TOLD = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.1 GiB. See documentation"
HUNGRY = f"""
from pathlib import Path
import torch
from pruners import pruner

CALM, NOTES = Path({{folder!r}}) / "calm", Path({{folder!r}}) / "notes"

@pruner(timings=("at-init",), version=1, source="a test")
def hungry(problem):
    "Finds no room unless its network keeps little; once calm, always."
    again = problem.model.recompute
    with NOTES.open("a") as stream:
        stream.write(f"{{{{again}}}}\\n")
    if not again and not CALM.exists():
        raise torch.OutOfMemoryError({TOLD!r})
    return {{{{name: weight.abs() for name, weight in problem.weights.items()}}}}

@pruner(timings=("at-init",), version=1, source="a test")
def insatiable(problem):
    "Finds no room."
    try:
        raise torch.OutOfMemoryError({TOLD!r})
    except RuntimeError as error:
        raise ValueError("my score") from error
"""


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """Sweeps the rows of a pruner of the plug-in beside ``magnitude``."""
    monkeypatch.setattr("bench.machine.signals.listen", lambda: None)  # signals of this process are pytest's
    plugin = tmp_path / "hungry.py"
    plugin.write_text(HUNGRY.format(folder=str(tmp_path)))

    def call(pruner, out):
        grid = GRID.replace('["dense", "magnitude", "snip"]', f'["magnitude", "{pruner}"]').replace(', "after"', "")
        arguments = [write_track(tmp_path, grid), "--device", "cpu", "--out", out, "--workers", "2", "--plugin", plugin]
        with pruners.override():
            code = main(["sweep", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out + said.err, {r.row.pruner: r for r in map(Record.read, out.glob(f"*/{FILE}"))}

    return call


def test_more_room_then_recomputation_then_the_record_of_a_calm_sweep(sweep, tmp_path):
    code, said, records = sweep("hungry", tmp_path / "full")
    assert code == 0
    assert (tmp_path / "notes").read_text().split() == ["False", "False", "True"]
    ends = ("alone on its GPU\n", "alone on its GPU and with recomputation\n")
    steps = [said.index(f"now {words}") for words in ends]
    assert steps == sorted(steps)
    assert "CUDA out of memory. Tried to allocate 20.00 GiB; now" in said
    assert "79.1" not in said
    (tmp_path / "calm").touch()
    code, _, calm = sweep("hungry", tmp_path / "calm-results")
    assert code == 0
    assert records["hungry"].cost.recomputed
    assert not calm["hungry"].cost.recomputed
    assert {name: record.canonical() for name, record in records.items()} == {
        name: record.canonical() for name, record in calm.items()
    }


def test_a_trial_for_which_nothing_is_enough_has_failed_with_a_reason_that_says_so(sweep, tmp_path):
    code, _, records = sweep("insatiable", tmp_path / "out")
    assert code == 1
    assert records["magnitude"].ok
    assert records["insatiable"].reason == (
        "CUDA out of memory. Tried to allocate 20.00 GiB; also alone on its GPU and with recomputation"
    )


def test_a_single_run_tries_recomputation_and_gives_the_same_record(tmp_path, monkeypatch):
    from bench.stages import loop

    plain = run(toy_plan(tmp_path / "plain"), False, print)
    step, tried = loop.training_step, []

    def crowded(learner, samples, number, watch, counter=None):
        tried.append(learner.model.recompute)
        if number == 5 and not learner.model.recompute:  # of 12, so that it began well
            raise torch.OutOfMemoryError(TOLD)
        return step(learner, samples, number, watch, counter)

    monkeypatch.setattr(loop, "training_step", crowded)
    said: list[str] = []
    found = run(toy_plan(tmp_path / "full"), False, said.append)
    assert found.ok
    assert found.cost.recomputed
    assert tried == [False] * 6 + [True] * 12
    assert any(line.endswith("Tried to allocate 20.00 GiB; once more, with recomputation") for line in said)
    assert found.canonical() == plain.canonical()


def test_a_single_run_that_does_not_fit_either_way_fails(tmp_path, monkeypatch):
    def full(*_):
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr("bench.stages.loop.training_step", full)
    found = run(toy_plan(tmp_path), False, print)
    assert found.reason == "CUDA error: out of memory; also with recomputation"


def test_what_torch_raises_otherwise_is_no_lack_of_room():
    raise_if_gpu_is_full(RuntimeError("CUDA error: an illegal memory access was encountered"))
    with pytest.raises(GpuMemoryError, match=r"^CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate$"):
        raise_if_gpu_is_full(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))


@pytest.fixture
def executor(monkeypatch, tmp_path):
    """Two GPUs of two processes each, which end when they are told to."""
    begun: dict[int, Future[Result]] = {}

    def begin(slot, task):
        future: Future[Result] = Future()
        begun[len(begun)] = future
        return future

    made = LocalExecutor(["0", "1", "0", "1"], 1)
    monkeypatch.setattr(made, "_submit", begin)
    yield made, begun
    for future in begun.values():
        if not future.done():
            future.set_result(Result("ok"))
    made.close()


def test_a_trial_that_has_to_be_alone_waits_for_a_gpu_and_keeps_others_away(executor, tmp_path):
    made, begun = executor
    usual = Task(toy_request(tmp_path), {}, "")
    alone = Task(toy_request(tmp_path), {}, "", alone=True)
    for number in range(3):
        made.submit(number, usual)  # on GPUs 0, 1, 0
    made.submit(3, alone)
    assert len(begun) == 3  # GPU 1 has the fewest, and it has to be empty
    assert made.free == 0  # the other process of GPU 1 takes nothing meanwhile
    begun[0].set_result(Result("ok"))
    assert made.wait(1) == [(0, Result("ok"))]
    assert (len(begun), made.free) == (3, 1)
    begun[1].set_result(Result("ok"))
    assert made.wait(1) == [(1, Result("ok"))]
    assert (len(begun), made.free) == (4, 1)
    begun[3].set_result(Result("full", "no room"))
    assert made.wait(1) == [(3, Result("full", "no room"))]
    assert made.free == 3


def test_a_trial_that_waits_for_its_gpu_is_interrupted_with_the_others(executor, tmp_path):
    made, begun = executor
    for number in range(2):
        made.submit(number, Task(toy_request(tmp_path), {}, ""))
    made.submit(2, Task(toy_request(tmp_path), {}, "", alone=True))
    made.interrupt()
    for future in begun.values():
        future.set_result(Result("interrupted"))
    assert sorted(number for number, _ in made.wait(1)) == [0, 1, 2]
    assert len(begun) == 2


@pytest.mark.parametrize(("slots", "packs"), [(["0", "1"], False), (["0", "0"], True), ([None], False)])
def test_a_trial_on_a_gpu_of_its_own_has_been_alone(slots, packs):
    made = LocalExecutor(slots, 1)
    assert made.packs == packs
    made.close()
