import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.store.curve import CURVE, Point
from bench.store.maintenance import contents, damaged, trim
from bench.store.reading import MASK, STAGE, TENSORS, WEIGHTS
from bench.store.state import Checkpoint, StageCost, State
from bench.store.store import JOURNAL, Store
from pruners import Mask
from registries import RequestError
from registries.sealed import write_sealed_json

STATE = State({"a": torch.arange(4.0), "b": torch.tensor(2.0)}, Mask({"a": torch.tensor([True, False, True, True])}))
COST = StageCost("train", 3, 100, 0.5)
ROWS = (Point(3, 0.1 + 0.2, 1e-3, 1.0, 2.5, 0.25), Point(4, 0.2, 5e-4, 0.5, float("inf"), 0.5, 0.7, 31.25))
OTHER_MASK = Mask({"a": torch.tensor([True, False, False, True])})


def names(folder):
    """Of all that lies there, but tensors by what they end in."""
    return sorted(TENSORS if path.name.endswith(TENSORS) else path.name for path in folder.iterdir())


def tensors_of(folder, name):
    """The file of a stage's tensors."""
    about = json.loads((folder / STAGE).read_text())
    return folder.with_name(about["files"][name] + TENSORS)


def lay_out_as_before(folder):
    """Give a stage its own files, as in stores whose stages shared nothing."""
    for name in (WEIGHTS, MASK):
        shutil.copyfile(tensors_of(folder, name), folder / name)
    for path in folder.parent.glob(f"*{TENSORS}"):
        path.unlink()


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
    assert names(tmp_path / "store") == [TENSORS, TENSORS, JOURNAL, "key"]


def test_stages_share_equal_weights_and_masks(tmp_path):
    store = Store(tmp_path)
    big = State({"a": torch.arange(4.0), "b": torch.zeros(100_000)}, STATE.mask)
    pruned = State(big.weights, OTHER_MASK)
    trained = State({**big.weights, "b": torch.ones(100_000)}, OTHER_MASK)
    for key, state in (("train", big), ("prune", pruned), ("rewind", State(big.weights, OTHER_MASK)), ("on", trained)):
        store.save(key, state, COST, {"kind": key})
    assert len(list(tmp_path.glob(f"*{TENSORS}"))) == 4
    assert 800_000 < contents(tmp_path).stage_bytes < 810_000
    for key, state in (("train", big), ("prune", pruned), ("rewind", pruned), ("on", trained)):
        found, _ = store.load(key)
        assert found.mask == state.mask
        assert all(torch.equal(found.weights[name], value) for name, value in state.weights.items())


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_shared_tensors_that_are_damaged_make_all_their_stages_absent(tmp_path, harm):
    said: list[str] = []
    store = Store(tmp_path, said.append)
    for key, state in (("one", STATE), ("two", State(STATE.weights, OTHER_MASK)), ("other", STATE)):
        if key == "other":
            state = State({**STATE.weights, "b": torch.tensor(3.0)}, STATE.mask)
        store.save(key, state, COST, {"kind": "Train"})
    shared = tensors_of(tmp_path / "one", WEIGHTS)
    harm(shared)
    broken = {tmp_path / "one", tmp_path / "two"}
    assert {path for path, _ in damaged(tmp_path)} - {shared} == broken
    assert store.load("one") is None
    assert not shared.exists()
    assert len(said) == 1
    assert store.load("other")[0].mask == STATE.mask
    store.save("one", STATE, COST, {"kind": "Train"})  # computed anew, which makes the other whole again
    assert list(damaged(tmp_path)) == []
    assert store.load("two")[0].mask == OTHER_MASK


def test_saving_replaces_damaged_tensors_that_it_would_share(tmp_path):
    store = Store(tmp_path)
    store.save("one", STATE, COST, {"kind": "Train"})
    tensors_of(tmp_path / "one", WEIGHTS).write_bytes(b"nonsense")
    store.save("two", State(STATE.weights, OTHER_MASK), COST, {"kind": "Prune"})
    assert list(damaged(tmp_path)) == []


def test_trimming_keeps_tensors_as_long_as_a_stage_has_them(tmp_path):
    store = Store(tmp_path)
    store.save("train", STATE, COST, {"kind": "Train"})
    store.save("prune", State(STATE.weights, OTHER_MASK), COST, {"kind": "Prune"})
    only_of_the_old = tensors_of(tmp_path / "train", MASK)
    for path in tmp_path.iterdir():
        if path.name != "prune":
            os.utime(path, (1, 1))
    assert trim(tmp_path, 30)[0] == 1
    assert not (tmp_path / "train").exists()
    assert not only_of_the_old.exists()
    assert store.load("prune")[0].mask == OTHER_MASK
    assert trim(tmp_path, 0)[0] == 1
    assert names(tmp_path) == [JOURNAL]


def test_trimming_spares_tensors_of_a_stage_that_is_being_written(tmp_path):
    store = Store(tmp_path)
    store.save("train", STATE, COST, {"kind": "Train"})
    shutil.rmtree(tmp_path / "train")  # as before it gets its name
    assert trim(tmp_path, 1) == (0, 0)
    assert len(list(tmp_path.glob(f"*{TENSORS}"))) == 2


def test_stages_with_files_of_their_own_are_read_still(tmp_path):
    said: list[str] = []
    store = Store(tmp_path, said.append)
    store.save("key", STATE, COST, {"kind": "Train"})
    lay_out_as_before(tmp_path / "key")
    assert list(damaged(tmp_path)) == []
    assert same_state(store.load("key"))
    (tmp_path / "key" / MASK).write_bytes(b"nonsense")
    assert [path for path, _ in damaged(tmp_path)] == [tmp_path / "key"]
    assert store.load("key") is None
    assert "mask.safetensors is not what was written" in said[0]


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

    for number in range(1, 6):
        calls.clear()
        monkeypatch.setattr(Path, "replace", stop_at(number))
        with suppress(KeyboardInterrupt):
            store.save("key", STATE, COST, {})
        monkeypatch.setattr(Path, "replace", replace)
        found = store.load("key")
        assert found is None or found[0].mask == STATE.mask
        store.save("key", STATE, COST, {})
    assert names(tmp_path) == [TENSORS, TENSORS, JOURNAL, "key"]


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


@pytest.mark.parametrize("name", [WEIGHTS, MASK, STAGE])
def test_a_stage_is_what_was_written_or_set_aside(tmp_path, name):
    said: list[str] = []
    store = Store(tmp_path, said.append)
    store.save("key", STATE, COST, {"kind": "Train"})

    def load():
        said.clear()
        return store.load("key"), list(said)

    count = 0
    path = tmp_path / "key" / STAGE if name == STAGE else tensors_of(tmp_path / "key", name)
    for _ in check_damage(path, load, same_state):
        shutil.rmtree(tmp_path / "key", ignore_errors=True)
        store.save("key", STATE, COST, {"kind": "Train"})
        count += 1
    assert count > 20
    path.unlink()
    assert store.load("key") is None
    assert "lacks a file" in said[-1]


def test_a_stage_keeps_its_curve(tmp_path):
    store = Store(tmp_path)
    store.save("key", STATE, replace(COST, curve=ROWS), {"kind": "Train"})
    assert store.load("key")[1] == replace(COST, curve=ROWS, reused=True)
    assert [path.name for path in sorted((tmp_path / "key").iterdir())] == [CURVE, STAGE]
    assert list(damaged(tmp_path)) == []
    assert contents(tmp_path).stage_bytes > (tmp_path / "key" / CURVE).stat().st_size
    assert trim(tmp_path, 0)[0] == 1
    assert names(tmp_path) == [JOURNAL]


def test_a_curve_is_what_was_written_or_its_stage_is_set_aside(tmp_path):
    said: list[str] = []
    store, folder = Store(tmp_path, said.append), tmp_path / "key"
    for harm in (lambda content: content[:-1], lambda content: content.replace(b"0.7", b"0.8"), lambda content: b""):
        store.save("key", STATE, replace(COST, curve=ROWS), {"kind": "Train"})
        (folder / CURVE).write_bytes(harm((folder / CURVE).read_bytes()))
        assert list(damaged(tmp_path)) == [(folder, f"{CURVE} is not what was written")]
        assert store.load("key") is None
        assert f"{CURVE} is not what was written" in said.pop()
    store.save("key", STATE, replace(COST, curve=ROWS), {"kind": "Train"})
    (folder / CURVE).unlink()
    assert list(damaged(tmp_path)) == [(folder, f"lacks {CURVE}")]
    assert store.load("key") is None


def test_stages_of_earlier_versions_have_no_curve(tmp_path):
    store = Store(tmp_path)
    store.save("key", STATE, replace(COST, curve=ROWS), {"kind": "Train"})
    about = json.loads((tmp_path / "key" / STAGE).read_text())
    assert "curve" not in about["cost"]
    del about["sha256"], about["files"][CURVE]
    (tmp_path / "key" / CURVE).unlink()
    write_sealed_json(tmp_path / "key" / STAGE, about)
    assert list(damaged(tmp_path)) == []
    assert store.load("key")[1] == replace(COST, reused=True)


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
