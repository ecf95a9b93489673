import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.store.maintenance import damaged
from bench.store.state import Checkpoint, StageCost, State
from bench.store.store import JOURNAL, Store
from pruners import Mask
from registries import RequestError
from registries.sealed import write_sealed_json

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


def damages(content):
    """Every kind of damage of a file, at several places."""
    for place in range(0, len(content), max(1, len(content) // 40)):
        yield content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    for length in (0, 1, len(content) // 2, len(content) - 1):
        yield content[:length]
    yield content + b"x"
    yield b"nonsense"


def check_damage(path, load, intact):
    """Whatever happens to a file, what is read is what was written or nothing, and then it is out of the way."""
    content = path.read_bytes()
    for number, changed in enumerate(damages(content)):
        path.write_bytes(changed)
        found, said = load()
        if found is None:
            assert not path.exists(), number
            assert len(said) == 1
            assert "set aside" in said[0]
            assert "computed anew" in said[0]
        else:
            assert intact(found), number
        path.parent.mkdir(exist_ok=True)
        yield
        path.write_bytes(content)


def same_state(found):
    state, cost = found
    equal = all(torch.equal(state.weights[name], value) for name, value in STATE.weights.items())
    return equal and state.mask == STATE.mask and cost == replace(COST, reused=True)


@pytest.mark.parametrize("name", ["weights.safetensors", "mask.safetensors", "stage.json"])
def test_a_stage_is_what_was_written_or_set_aside(tmp_path, name):
    said: list[str] = []
    store = Store(tmp_path, said.append)
    store.save("key", STATE, COST, {"kind": "Train"})

    def load():
        said.clear()
        return store.load("key"), list(said)

    count = 0
    for _ in check_damage(tmp_path / "key" / name, load, same_state):
        shutil.rmtree(tmp_path / "key", ignore_errors=True)
        store.save("key", STATE, COST, {"kind": "Train"})
        count += 1
    assert count > 20
    (tmp_path / "key" / name).unlink()
    assert store.load("key") is None
    assert "lacks a file" in said[-1]


def test_a_checkpoint_and_a_value_are_what_was_written_or_set_aside(tmp_path):
    said: list[str] = []
    store = Store(tmp_path, said.append)
    checkpoint = Checkpoint(7, {"weights.a": torch.arange(50.0)}, 10, 1.5)
    store.save_checkpoint("key", checkpoint)
    store.save_value({"a": 1}, {"score": 2.5, "more": list(range(50))})
    value = next(tmp_path.glob("*.json"))

    def load_checkpoint():
        said.clear()
        return store.load_checkpoint("key"), list(said)

    def load_value():
        said.clear()
        return store.load_value({"a": 1}), list(said)

    def same_checkpoint(found):
        return (found.step, found.macs, found.seconds) == (7, 10, 1.5) and torch.equal(
            found.tensors["weights.a"], torch.arange(50.0)
        )

    assert len(list(check_damage(tmp_path / "key.checkpoint.safetensors", load_checkpoint, same_checkpoint))) > 20
    assert len(list(check_damage(value, load_value, lambda found: found["score"] == 2.5))) > 20


def test_files_of_earlier_versions_are_said_to_be_old(tmp_path):
    said: list[str] = []
    store = Store(tmp_path, said.append)
    store.save("key", STATE, COST, {"kind": "Train"})
    about = json.loads((tmp_path / "key" / "stage.json").read_text())
    earlier = {name: about[name] for name in ("cost", "stage", "files")}
    write_sealed_json(tmp_path / "key" / "stage.json", earlier)
    store.save_value({"a": 1}, 2.5)
    next(tmp_path.glob("*.json")).write_text('{"scores": 1}')
    assert store.load("key") is None
    assert store.load_value({"a": 1}) is None
    assert len(said) == 2
    assert all("was written by an earlier version" in line for line in said)


def test_what_lies_under_the_name_of_another_is_set_aside(tmp_path):
    """Whole as it is: stages that changed places, a checkpoint, a value."""
    said: list[str] = []
    store = Store(tmp_path, said.append)
    for key in ("one", "two"):
        store.save(key, STATE, COST, {"kind": "Train"})
        store.save_checkpoint(key, Checkpoint(7, {"weights.a": torch.arange(5.0)}, 10, 1.5))
    (tmp_path / "one").rename(tmp_path / "three")
    (tmp_path / "two").rename(tmp_path / "one")
    (tmp_path / "one.checkpoint.safetensors").replace(tmp_path / "two.checkpoint.safetensors")
    store.save_value({"a": 1}, 2.5)
    value = next(tmp_path.glob("*.json"))
    store.save_value({"a": 2}, 3.5)
    other = next(path for path in tmp_path.glob("*.json") if path != value)
    value.replace(other)
    assert {path for path, problem in damaged(tmp_path) if problem == "is that of another one"} >= {
        tmp_path / "one",
        tmp_path / "three",
        tmp_path / "two.checkpoint.safetensors",
    }
    found = [store.load("one"), store.load("three"), store.load_checkpoint("two"), store.load_value({"a": 2})]
    assert found == [None] * 4
    assert len(said) == 4
    assert all("is that of another one" in line for line in said)


def test_processes_that_save_the_same_stage_at_once_do_not_disturb_each_other(tmp_path):
    store = Store(tmp_path)

    def save(number):
        for _ in range(20):
            store.save("key", STATE, COST, {"kind": "Train"})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(save, range(8)))
    assert same_state(store.load("key"))
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["key"]


def test_values_are_found_by_their_inputs(tmp_path):
    store = Store(tmp_path)
    store.save_value({"a": 1}, {"score": 2.5})
    assert store.load_value({"a": 1}) == {"score": 2.5}
    assert store.load_value({"a": 2}) is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RequestError, match="cannot write there"):
        Store(tmp_path / "file" / "store")
