"""The loop of a sweep alone, with trials that are names and an executor that only counts."""

from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tqdm import tqdm

from bench.sweep.driver import Sweep
from bench.sweep.task import Result

TRIALS, SLOTS = 2000, 16


class Instant:
    """Ends one trial at each call; its stages lie in the store from then on."""

    def __init__(self, store, needs):
        self.store, self.needs, self.running, self.order = store, needs, [], []

    @property
    def free(self):
        return SLOTS - len(self.running)

    def submit(self, number, task):
        busy = {key for other in self.running for key in self.missing(other)}
        assert not busy & set(self.missing(number))
        self.running.append(number)
        self.order.append(number)

    def wait(self, seconds):
        number = self.running.pop(0)
        for key in self.missing(number):
            (self.store / key).mkdir()
        return [(number, Result("ok", recorded=True))]

    def missing(self, number):
        return [key for key in self.needs[number] if not (self.store / key).exists()]

    def interrupt(self):
        raise AssertionError("nobody asked")

    def close(self):
        pass


@pytest.fixture
def sweep_of(tmp_path, monkeypatch):
    """A sweep of trials that need these stages, with an executor."""
    monkeypatch.setattr("bench.sweep.driver.stage_keys", lambda planned: planned)
    monkeypatch.setattr("bench.sweep.driver.check_held", lambda store: None)
    monkeypatch.setattr("bench.sweep.driver.tqdm", partial(tqdm, disable=True))

    def make(needs):
        cells: list[Any] = [
            SimpleNamespace(planned=keys, name=str(n), folder=tmp_path / str(n), request=None)
            for n, keys in enumerate(needs)
        ]
        (tmp_path / ".store").mkdir(exist_ok=True)
        track: Any = SimpleNamespace(name="many")
        sweep = Sweep(track, cells, tmp_path, {}, outcomes=["pending"] * len(cells))
        return sweep, Instant(tmp_path / ".store", needs)

    return make


def test_the_driver_looks_only_for_stages_that_are_computed_now(sweep_of, monkeypatch):
    """However many trials are pending."""
    needs = [(f"dense-{n // 20}", f"prune-{n}", f"train-{n}") for n in range(TRIALS)]
    sweep, executor = sweep_of(needs)
    looks = Counter[str]()
    is_dir = Path.is_dir

    def watched(path):
        looks[path.name] += path.parent.name == ".store"
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", watched)
    assert sweep.run(executor)
    assert sorted(executor.order) == list(range(TRIALS))
    assert 0 < looks.total() <= TRIALS * 3 * SLOTS


def test_stages_that_lie_in_the_store_keep_nobody_waiting(sweep_of, tmp_path):
    """From before the sweep, or saved by a trial that still runs."""
    sweep, executor = sweep_of([("dense", "a"), ("dense", "b"), ("dense", "c")])
    (tmp_path / ".store" / "dense").mkdir()
    assert sweep.run(executor)
    assert executor.order == [0, 1, 2]
    assert executor.free == SLOTS


def test_a_trial_starts_once_the_stage_it_waits_for_is_saved(sweep_of, tmp_path, monkeypatch):
    sweep, executor = sweep_of([("dense", "a"), ("dense", "b")])
    waits = iter([True, False])
    end = executor.wait

    def wait(seconds):
        if next(waits, False):
            assert executor.running == [0]
            (tmp_path / ".store" / "dense").mkdir()  # the first one goes on with its other stage
            return []
        return end(seconds)

    monkeypatch.setattr(executor, "wait", wait)
    assert sweep.run(executor)
    assert executor.order == [0, 1]
