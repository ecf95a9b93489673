"""Sweeps from the command line: what is shared, what fails, what is interrupted."""

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from bench.cli import main
from bench.machine.faults import FaultError, raise_if_of_machine
from bench.store.maintenance import begun, stage_folders
from bench.store.store import JOURNAL
from bench.sweep.lock import only_driver
from bench.sweep.task import Task, carry_out
from bench.trials.plugins import load_plugins
from bench.trials.request import Request
from pruners import pruners
from records.record import FILE, Record
from tests.bench.sweep.tracks import GRID, write_track

ROOT = Path(__file__).resolve().parents[3]
TROUBLE = """
import os
from pathlib import Path
from pruners import pruner

FLAG = Path({flag!r})

def score(problem):
    return {{name: weight.abs() for name, weight in problem.weights.items()}}

@pruner(timings=("at-init",), version=1, source="a test")
def breaks(problem):
    "Raises unless the flag is there."
    if not FLAG.exists():
        raise ValueError("on purpose")
    return score(problem)

@pruner(timings=("at-init",), version=1, source="a test")
def dies(problem):
    "Ends its process the first time."
    if not FLAG.exists():
        FLAG.touch()
        os.kill(os.getpid(), 9)
    return score(problem)

@pruner(timings=("at-init",), version=1, source="a test")
def faults(problem):
    "Meets a fault of the machine until the flag is there."
    if not FLAG.exists():
        raise OSError({number}, os.strerror({number}))
    return score(problem)

@pruner(timings=("at-init",), version=1, source="a test")
def always(problem):
    "Ends its process every time."
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def call(capsys, monkeypatch):
    monkeypatch.setattr("bench.machine.signals.listen", lambda: None)  # signals of this process are pytest's
    monkeypatch.setenv("TQDM_DISABLE", "")

    def run(*arguments):
        with pruners.override():  # plug-ins stay in this call
            try:
                code: int | str | None = main([str(argument) for argument in arguments])
            except SystemExit as stop:
                code = stop.code
        out, err = capsys.readouterr()
        return code, out, "\n".join(line for line in err.splitlines() if line.startswith("bench:"))

    return run


def canonical(out):
    return {path.parent.name: Record.read(path).canonical() for path in out.glob(f"*/{FILE}")}


def sweep(path, out, *more):
    return ["sweep", path, "--device", "cpu", "--out", out, *more]


@pytest.fixture
def trouble(tmp_path):
    plugin = tmp_path / "trouble.py"
    plugin.write_text(TROUBLE.format(flag=str(tmp_path / "flag"), number=errno.ENOSPC))
    return plugin


def troubled(tmp_path, name):
    grid = GRID.replace('["dense", "magnitude", "snip"]', f'["magnitude", "{name}"]').replace(', "after"', "")
    return write_track(tmp_path, grid)


def test_a_sweep_gives_the_records_of_single_runs_and_computes_each_stage_once(call, tmp_path):
    path = write_track(tmp_path)
    code, out, _ = call(*sweep(path, tmp_path / "swept", "--workers", "2", "--quiet"))
    assert code == 0
    assert "track tiny: 5 ok" in out
    table = [line.split()[:3] for line in out.splitlines() if line.startswith(("row ", "modl/"))]
    rows = ["dense", "magnitude/at-init/0.9", "magnitude/after/0.9", "snip/at-init/0.9", "snip/after/0.9"]
    assert table == [["row", "seeds", "knee"], *([f"modl/{row}", "1", "done"] for row in rows)]
    store = tmp_path / "swept" / ".store"
    counts = begun(store)
    assert set(counts.values()) == {1}
    assert len(counts) == len(stage_folders(store)) == 9
    for pruner, timing in (("dense", None), ("snip", "after"), ("magnitude", "at-init")):
        row = ["--arch", "modl", "--pruner", pruner, *(["--timing", timing] if timing else [])]
        run = ["run", *row, "--track", path, "--size", "toy", "--device", "cpu", "--quiet"]
        assert call(*run, "--out", tmp_path / f"{pruner}")[0] == 0  # each with a store of its own
        ((name, single),) = canonical(tmp_path / pruner).items()
        assert canonical(tmp_path / "swept")[name] == single
    code, out, _ = call("status", path, "--out", tmp_path / "swept")
    assert code == 0
    assert "5 of 5 trials done" in out
    before = (store / JOURNAL).read_text()
    assert call(*sweep(path, tmp_path / "swept", "--quiet"))[0] == 0
    assert (store / JOURNAL).read_text() == before
    # what these records hold counts as done elsewhere
    elsewhere = sweep(path, tmp_path / "other", "--records", tmp_path / "swept", "--quiet")
    code, out, _ = call(*elsewhere)
    assert code == 0
    assert "5 recorded elsewhere" in out
    assert re.search(r"^modl/snip/after/0.9 +1 elsewhere$", out, re.MULTILINE)
    assert not canonical(tmp_path / "other")
    code, out, _ = call(*sweep(path, tmp_path / "other", "--records", tmp_path / "swept", "--dry-run"))
    assert "5 trials: 5 recorded elsewhere" in out


def test_a_dry_run_says_what_is_shared_and_skipped_and_writes_nothing(call, tmp_path):
    path = write_track(tmp_path, GRID.replace('"snip"', '"rigl"'))
    code, out, _ = call(*sweep(path, tmp_path / "out", "--dry-run"))
    assert code == 0
    assert "skipped: modl/rigl/at-init/0.9: pruner 'rigl' does not exist" in out
    assert "5 trials: 2 skipped, 3 pending" in out
    assert "stages: 6 of the pending trials, 5 when each is computed once" in out
    assert "with" in out
    assert not (tmp_path / "out").exists()


def test_a_failed_trial_keeps_its_row_and_the_sweep_goes_on(call, tmp_path, trouble):
    path, out = troubled(tmp_path, "breaks"), tmp_path / "out"
    code, said, _ = call(*sweep(path, out, "--plugin", trouble, "--quiet"))
    assert code == 1
    assert "1 ok, 1 failed" in said
    assert re.search(r"^modl/breaks/at-init/0.9 +1 failed$", said, re.MULTILINE)
    assert "on purpose" in said
    assert {record["status"] for record in canonical(out).values()} == {"ok", "failed"}
    (tmp_path / "flag").touch()
    code, said, _ = call(*sweep(path, out, "--plugin", trouble, "--quiet"))
    assert code == 1  # it failed, and nobody asked to try again
    code, said, _ = call(*sweep(path, out, "--plugin", trouble, "--quiet", "--retry-failed"))
    assert code == 0
    assert "2 ok" in said


def test_of_a_large_grid_the_table_says_where_the_rest_is(call, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.cli.sweep.SCREEN", 1)
    path = write_track(tmp_path, GRID.replace(', "after"', ""))
    _, said, _ = call(*sweep(path, tmp_path / "out", "--quiet"))
    assert re.findall(r"^modl/\S+", said, re.MULTILINE) == ["modl/dense"]
    (command,) = re.findall(r"^2 more rows: python -m bench (.*)$", said, re.MULTILINE)
    code, said, _ = call(*shlex.split(command))
    assert code == 0
    assert "modl/snip/at-init/0.9" in said


def test_a_process_that_dies_is_replaced_and_its_trial_started_again(call, tmp_path, trouble):
    code, said, _ = call(*sweep(troubled(tmp_path, "dies"), tmp_path / "out", "--plugin", trouble, "--quiet"))
    assert code == 0, said
    assert "2 ok" in said


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_fault_of_the_machine_stops_the_sweep_and_is_no_row(call, tmp_path, number):
    plugin = tmp_path / "trouble.py"
    plugin.write_text(TROUBLE.format(flag=str(tmp_path / "flag"), number=number))
    arguments = sweep(troubled(tmp_path, "faults"), tmp_path / "out", "--plugin", plugin, "--quiet", "--workers", "1")
    code, _, err = call(*arguments)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert os.strerror(number) in err
    assert all(record["status"] == "ok" for record in canonical(tmp_path / "out").values())
    (tmp_path / "flag").touch()
    code, said, _ = call(*arguments)
    assert code == 0, said
    assert "2 ok" in said


def test_a_trial_whose_process_always_dies_stays_pending_and_the_others_are_carried_out(call, tmp_path, trouble):
    code, _, err = call(*sweep(troubled(tmp_path, "always"), tmp_path / "out", "--plugin", trouble, "--quiet"))
    assert code == 2
    assert "1 trial still pending" in err
    assert "modl/always/at-init/0.9 seed 0" in err
    assert [record["trial"]["pruner"] for record in canonical(tmp_path / "out").values()] == ["magnitude"]


def wrapped(error):
    """As a library wraps it."""
    try:
        try:
            raise error
        except type(error) as cause:
            raise RuntimeError("could not save") from cause
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError(f"I/O error: {os.strerror(errno.ENOSPC)} (os error 28)"), "No space left on device"),
        *(
            (OSError(number, os.strerror(number)), os.strerror(number))
            for number in (errno.EIO, errno.ESTALE, errno.EMFILE)
        ),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/gone"), "/gone"),
        (wrapped(OSError(errno.EFBIG, os.strerror(errno.EFBIG))), os.strerror(errno.EFBIG)),
        (MemoryError(), os.strerror(errno.ENOMEM)),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), os.strerror(errno.ENOMEM)),
    ],
)
def test_faults_of_the_machine_are_recognised_also_in_the_words_of_libraries(error, words):
    with pytest.raises(FaultError, match="give the same command") as caught:
        raise_if_of_machine(error)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_errors_of_a_trial_are_no_faults_of_the_machine():
    raise_if_of_machine(RuntimeError("something else"))
    raise_if_of_machine(wrapped(ValueError("on purpose")))
    raise_if_of_machine(torch.OutOfMemoryError("CUDA out of memory"))


def test_one_driver_per_store(call, tmp_path):
    path = write_track(tmp_path)
    with only_driver(tmp_path / "out" / ".store", "other"):
        code, _, err = call(*sweep(path, tmp_path / "out"))
        assert (code, len(err.splitlines())) == (2, 1)
        assert f"the sweep of track other, process {os.getpid()}" in err
        assert call("store", "trim", "--out", tmp_path / "out")[0] == 2


def test_bad_requests_end_in_one_line(call, tmp_path):
    for arguments in (
        ["sweep", "nothing"],
        ["sweep", tmp_path / "absent.toml"],
        sweep(write_track(tmp_path), tmp_path / "out", "--only", "x/y"),
        sweep(write_track(tmp_path), tmp_path / "out", "--workers", "0"),
        sweep(write_track(tmp_path), tmp_path / "out", "--records", tmp_path / "absent"),
        ["sweep", "fastmri-knee", "--out", tmp_path / "out"],
        ["status", "nothing", "--out", tmp_path / "out"],
        ["store", "verify", "--out", tmp_path / "absent"],
    ):
        code, _, err = call(*arguments)
        assert (code, len(err.splitlines())) == (2, 1), (arguments, err)


def test_the_store_is_shown_verified_and_trimmed(call, tmp_path):
    out = tmp_path / "out"
    assert call(*sweep(write_track(tmp_path), out, "--only", "modl/dense", "--quiet"))[0] == 0
    assert "stages: 1 (1 Train)" in call("store", "--out", out)[1]
    code, said, _ = call("store", "verify", "--out", out)
    assert code == 0
    assert "1 stages are as they were written, 0 stages, checkpoints or values are damaged" in said
    weights = max((out / ".store").glob("*.tensors.safetensors"), key=lambda path: path.stat().st_size)
    with weights.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    code, said, _ = call("store", "verify", "--out", out)
    assert code == 2
    assert "weights.safetensors is not what was written" in said
    assert "removed 0 stages" in call("store", "trim", "--out", out)[1]
    assert "removed 1 stages" in call("store", "trim", "--days", "0", "--out", out)[1]
    assert stage_folders(out / ".store") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_and_the_same_command_continues(tmp_path, number):
    path = write_track(tmp_path, changes={"steps = 12": "steps = 3000"})
    out = tmp_path / "out"
    command = [sys.executable, "-m", "bench", *map(str, sweep(path, out, "--only", "modl/dense", "--quiet"))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    driver = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not begun(out / ".store"):
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1.0)
    driver.send_signal(number)
    said, err = driver.communicate(timeout=120)
    assert driver.returncode == 130, (said, err)
    assert "the same command continues" in said
    assert "Traceback" not in err
    (checkpoint,) = (out / ".store").glob("*.checkpoint.safetensors")
    assert checkpoint.stat().st_size > 0
    assert not canonical(out)
    changed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert changed.returncode == 0, changed.stderr
    (log,) = out.glob("*/log.txt")
    assert "continues from step" in log.read_text()
    assert set(json.loads((out / ".sweeps" / "tiny.json").read_text())["counts"]) >= {"ok", "pending"}


PLUGIN = """
import helper
from pruners import pruner

@pruner(timings=("at-init",), version=1, source="a test")
def helped(problem):
    "Scores by what stands beside it."
    return {name: helper.SIGN * weight.abs() for name, weight in problem.weights.items()}
"""


@pytest.fixture
def helped(tmp_path, monkeypatch):
    """Of a folder that is not the working one, loaded as in a new process."""
    folder = tmp_path / "plug"
    folder.mkdir()
    (folder / "mine.py").write_text(PLUGIN)
    (folder / "helper.py").write_text("SIGN = 1\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield folder
    sys.modules.pop("helper", None)


def test_workers_run_what_lies_beside_a_plug_in(call, tmp_path, helped):
    only = ["--only", "modl/helped", "--quiet", "--workers", "1"]
    path = troubled(tmp_path, "helped")
    code, said, _ = call(*sweep(path, tmp_path / "out", "--plugin", helped / "mine.py", *only))
    assert code == 0, said
    assert "1 ok" in said


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("mine.py", PLUGIN.replace("helper.SIGN * ", ""), "edited since the sweep began"),
        ("helper.py", "SIGN = -1\n", "edited since the sweep began"),
        ("helper.py", "SIGN = \n", "SyntaxError"),
    ],
)
def test_a_worker_ends_the_sweep_if_a_plug_in_was_edited_since_it_began(helped, monkeypatch, name, text, words):
    monkeypatch.setattr("bench.sweep.task._loaded", {})
    with pruners.override():
        loaded = load_plugins([helped / "mine.py"])
    (helped / name).write_text(text)
    del sys.modules["helper"]  # a worker is a new process
    monkeypatch.setattr("registries.modules._read", {})
    with pruners.override():
        result = carry_out(Task(Request("modl", "helped"), loaded, "out/modl-helped"))
    assert (result.status, result.recorded) == ("stopped", False)
    assert words in str(result.reason)
    assert str(result.reason).startswith("modl-helped: ")
    assert str(helped / "mine.py") in str(result.reason)
