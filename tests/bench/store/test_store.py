import os
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from bench.store.state import Checkpoint, StageCost, State
from bench.store.store import JOURNAL, Store
from datasets.errors import DataError
from pruners import Mask
from registries import RequestError

STATE = State({"a": torch.arange(4.0), "b": torch.tensor(2.0)}, Mask({"a": torch.tensor([True, False, True, True])}))
COST = StageCost("train", 3, 100, 0.5)


def test_a_stage_comes_back_as_it_was(tmp_path):
    store = Store(tmp_path / "store")
    assert store.load("key") is None
    store.save("key", STATE, COST, {"kind": "Train"})
    state, cost = store.load("key")
    assert torch.equal(state.weights["a"], STATE.weights["a"])
    assert state.mask == STATE.mask
    assert cost == StageCost("train", 3, 100, 0.5, reused=True)
    assert state.masked_weights()["a"].tolist() == [0.0, 0.0, 2.0, 3.0]
    store.save("key", STATE, COST, {})
    assert {path.name for path in (tmp_path / "store").iterdir()} == {"key", JOURNAL}


def test_replacing_a_stage_never_leaves_half_of_it(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.save("key", STATE, COST, {})
    replace = Path.replace
    calls = []

    def stop_at(number):
        def step(path, target):
            calls.append(path)
            if len(calls) == number:
                raise KeyboardInterrupt
            return replace(path, target)

        return step

    for number in range(1, 4):
        calls.clear()
        monkeypatch.setattr(Path, "replace", stop_at(number))
        with suppress(KeyboardInterrupt):
            store.save("key", STATE, COST, {})
        monkeypatch.setattr(Path, "replace", replace)
        found = store.load("key")
        assert found is None or found[0].mask == STATE.mask
        store.save("key", STATE, COST, {})
    assert {path.name for path in tmp_path.iterdir()} == {"key", JOURNAL}


def test_old_leftovers_are_swept(tmp_path):
    (tmp_path / ".old.1").mkdir()
    (tmp_path / ".new.2").write_text("of a living process")
    os.utime(tmp_path / ".old.1", (1, 1))
    Store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".new.2"]


def test_checkpoints_live_until_the_stage_is_done(tmp_path):
    store = Store(tmp_path)
    assert store.load_checkpoint("key") is None
    store.save_checkpoint("key", Checkpoint(7, {"weights.a": torch.ones(2)}, 10, 1.5))
    found = store.load_checkpoint("key")
    assert (found.step, found.macs, found.seconds) == (7, 10, 1.5)
    assert torch.equal(found.tensors["weights.a"], torch.ones(2))
    store.save("key", STATE, COST, {})
    assert store.load_checkpoint("key") is None


def test_damage_is_named(tmp_path):
    store = Store(tmp_path)
    store.save("key", STATE, COST, {})
    (tmp_path / "key" / "weights.safetensors").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="damaged stage"):
        store.load("key")
    (tmp_path / "key.checkpoint.safetensors").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="damaged checkpoint"):
        store.load_checkpoint("key")


def test_values_are_found_by_their_inputs(tmp_path):
    store = Store(tmp_path)
    store.save_value({"a": 1}, {"score": 2.5})
    assert store.load_value({"a": 1}) == {"score": 2.5}
    assert store.load_value({"a": 2}) is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RequestError, match="cannot write there"):
        Store(tmp_path / "file" / "store")
