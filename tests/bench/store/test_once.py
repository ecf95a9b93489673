"""Two processes that need the same value."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.machine import signals
from bench.store.once import computed_once
from bench.store.store import Store

ROOT = Path(__file__).resolve().parents[3]
CODE = """
import os, sys, time
from pathlib import Path
from bench.store.once import computed_once
from bench.store.store import Store

folder, seconds = Path(sys.argv[1]), float(sys.argv[2])

def compute():
    with (folder / "begun").open("a") as stream:
        stream.write(f"{os.getpid()}\\n")
    time.sleep(seconds)
    return {"psnr": 30.0}

print(computed_once(Store(folder / "store"), {"question": 1}, compute), flush=True)
"""

TRIAL = """
import os, sys, time
from pathlib import Path
from bench.evaluation import baselines
from bench.trials.run import run
from tests.bench.toy import toy_plan

folder, seconds, pruner = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
tune = baselines.tune_cg_sense

def slowly(*given):
    with (folder / "begun").open("a") as stream:
        stream.write(f"{os.getpid()}\\n")
    time.sleep(seconds)
    return tune(*given)

baselines.tune_cg_sense = slowly
print(run(toy_plan(folder, pruner=pruner), False, lambda line: None).status)
"""


def start(folder, seconds, code=CODE, *more):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(folder), str(seconds), *more]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def begun(folder, number):
    """Processes that began to compute, once there are so many."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        path = folder / "begun"
        found = [int(line) for line in path.read_text().split()] if path.exists() else []
        if len(found) >= number:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{number} processes never began")


def test_one_of_two_processes_computes_and_both_have_it(tmp_path):
    both = [start(tmp_path, 3), start(tmp_path, 3)]
    said = [process.communicate(timeout=120)[0].strip() for process in both]
    assert said == ["{'psnr': 30.0}"] * 2
    assert len(begun(tmp_path, 1)) == 1
    assert not list((tmp_path / "store").glob(".*"))


def test_where_the_one_that_computes_is_killed_the_other_takes_over(tmp_path):
    first = start(tmp_path, 600)
    begun(tmp_path, 1)
    second = start(tmp_path, 0)
    time.sleep(1)
    assert second.poll() is None
    first.send_signal(signal.SIGKILL)
    assert second.communicate(timeout=120)[0].strip() == "{'psnr': 30.0}"
    assert begun(tmp_path, 2) == [first.pid, second.pid]
    first.communicate(timeout=120)


def test_who_is_asked_to_leave_does_not_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(signals, "asked", lambda: True)
    store = Store(tmp_path)

    def compute():
        return computed_once(store, {"a": 1}, lambda: pytest.fail("the other one computes"))

    with pytest.raises(KeyboardInterrupt):
        computed_once(store, {"a": 1}, compute)


def test_a_value_that_cannot_be_computed_leaves_the_way_free(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError):
        computed_once(store, {"a": 1}, lambda: 1 / 0)
    assert computed_once(store, {"a": 1}, lambda: 2) == 2
    assert computed_once(store, {"a": 1}, lambda: 3) == 2


@pytest.mark.parametrize(("number", "works"), [(errno.ENOLCK, True), (errno.EOPNOTSUPP, True), (errno.EIO, False)])
def test_a_file_system_without_locks_is_none_that_fails(tmp_path, monkeypatch, number, works):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    if works:
        assert computed_once(Store(tmp_path), {"a": 1}, lambda: 2) == 2
        return
    with pytest.raises(OSError, match=os.strerror(number)):
        computed_once(Store(tmp_path), {"a": 1}, lambda: 2)


def test_two_trials_at_once_tune_cg_sense_once(tmp_path):
    both = [start(tmp_path, 2, TRIAL, pruner) for pruner in ("snip", "magnitude")]
    assert [process.communicate(timeout=200)[0].strip() for process in both] == ["ok"] * 2
    assert len(begun(tmp_path, 1)) == 1
