"""Kills, faults of the machine and damaged files: the checks themselves, and that they notice what they are for."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench.check.damage import DAMAGES, DamagedStores, damage_lines
from bench.check.faults import CODE, ENDED, REFUSED, FaultySweeps, _outcome, fault_lines
from bench.check.injection import FAULTS, VARIABLE
from bench.check.undisturbed import Undisturbed
from bench.cli import main
from bench.store.maintenance import damaged
from bench.store.reading import TENSORS
from bench.store.state import Checkpoint, StageCost, State
from bench.store.store import Store
from bench.sweep.lock import check_held, only_driver
from pruners import Mask
from registries import RequestError

ROOT = Path(__file__).resolve().parents[3]


def with_fault(tmp_path, fault, *command):
    code = tmp_path / "code"
    code.mkdir(exist_ok=True)
    (code / "sitecustomize.py").write_text(CODE)
    path = os.pathsep.join([str(code), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, VARIABLE: fault, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("name", [name for name, hit in FAULTS.items() if hit != "size"])
def test_a_fault_hits_one_folder_from_some_operation_on(tmp_path, name):
    folder, other = tmp_path / "folder", tmp_path / "other"
    for place in (folder, other):
        place.mkdir()
    script = (
        "import errno, pathlib\n"
        f"folder, other = pathlib.Path({str(folder)!r}), pathlib.Path({str(other)!r})\n"
        "said = []\n"
        "for place in (folder, folder, folder, other):\n"
        "    try:\n"
        "        (place / 'file').write_text('x')\n"
        "        said.append('ok')\n"
        "    except MemoryError:\n"
        "        said.append('ENOMEM')\n"
        "    except OSError as error:\n"
        "        said.append(errno.errorcode[error.errno])\n"
        "print(*said)\n"
    )
    done = with_fault(tmp_path, f"{name}:1:{folder}", "-c", script)
    assert done.stdout.split() == ["ok", name, name, "ok"], done.stderr


@pytest.mark.parametrize("fault", ["EIO:12", "EFBIG:3000"])
def test_a_run_on_a_machine_that_fails_stops_in_one_line_and_the_same_command_goes_on(tmp_path, fault):
    out = tmp_path / "out"
    run = ("-m", "bench", "run", "--arch", "modl", "--pruner", "random", "--size", "toy", "--device", "cpu", "--quiet")
    done = with_fault(tmp_path, f"{fault}:{out}", *run, "--out", str(out))
    assert _outcome(done.returncode, done.stderr) == REFUSED, done.stderr
    assert not list(out.glob("*/record.json"))
    assert main([*run[2:], "--out", str(out)]) == 0


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_of_a_stage_a_checkpoint_and_a_value_is_named(tmp_path, name):
    weights = {"layer.weight": torch.randn(3, 3, generator=torch.Generator().manual_seed(0))}
    state = State(weights, Mask({"layer.weight": torch.ones(3, 3, dtype=torch.bool)}))
    store = Store(tmp_path / ".store")
    key = "0" * 64
    store.save(key, state, StageCost("train", 3, 10, 0.1), {"kind": "train"})
    store.save_checkpoint("1" * 64, Checkpoint(1, dict(weights), 10, 0.1))
    store.save_value({"question": 1}, {"psnr": 30.0})
    files = [path for path in store.folder.rglob("*") if path.suffix in (".safetensors", ".json")]
    assert len(files) == 5
    draw = random.Random(0)
    for path in files:
        content = path.read_bytes()
        expected = {path.parent if path.parent.name == key else path}
        if path.name.endswith(TENSORS):  # and the stage that has them
            expected.add(store.folder / key)
        for _ in range(20):
            path.write_bytes(DAMAGES[name](content, draw))
            assert {place for place, _ in damaged(store.folder)} == expected
        path.write_bytes(content)
    assert list(damaged(store.folder)) == []


def test_a_folder_that_is_moved_away_is_no_longer_driven(tmp_path):
    store = tmp_path / "out" / ".store"
    with only_driver(store, "toy"):
        check_held(store)
        (tmp_path / "out").rename(tmp_path / "aside")
        with pytest.raises(RequestError, match="moved or removed"):
            check_held(store)
        store.mkdir(parents=True)  # as a worker makes it that writes
        with pytest.raises(RequestError, match="moved or removed"):
            check_held(store)


@pytest.mark.parametrize(
    ("code", "said", "outcome"),
    [
        (0, "", ENDED),
        (2, "toy: 3%\nbench: the sweep stops: Input/output error", REFUSED),
        (2, "Traceback (most recent call last):\nbench: x", "traceback"),
        (2, "", "exit code 2"),
        (1, "bench: x", "exit code 1"),
    ],
)
def test_only_one_line_and_exit_code_2_are_a_refusal(code, said, outcome):
    assert _outcome(code, said) == outcome


def test_records_that_differ_or_lack_are_named(tmp_path):
    whole = Undisturbed("toy", tmp_path, 1.0, {"a": {"x": 1}})
    assert whole.differing(tmp_path) == ["a"]


def test_what_is_wrong_stands_in_the_report():
    stores = DamagedStores(wrong=["weights: `store verify` does not name it"])
    assert any("does not name it" in line for line in damage_lines(stores))
    sweeps = FaultySweeps(wrong=["EIO: traceback"])
    sweeps.outcomes["EIO", "traceback"] += 1
    said = "\n".join(fault_lines(sweeps))
    assert "faults of the machine: 1" in said
    assert "EIO: traceback" in said


@pytest.mark.show
def test_disturbed_sweeps_end_where_an_undisturbed_one_ends(capsys):
    assert main(["check", "sweep", "--kills", "4", "--faults", "10"]) == 0
    assert "canonical records that differ: 0" in capsys.readouterr().out
    assert main(["check", "store", "--damages", "10"]) == 0
    assert "named all others" in capsys.readouterr().out
