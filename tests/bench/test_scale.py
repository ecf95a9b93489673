"""Data of real size: what `make show` promises of planning, loading, memory and forecasts (docs/scale.md)."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from bench.cli import main
from bench.stages import batches
from bench.trials.plan import plan
from bench.trials.request import Request
from tests.datasets.test_real_shapes import write_realistic

pytestmark = pytest.mark.show
VOLUMES, SLICES = 12, 30
TRACK = """
summary = "a few steps on real shapes"
source = "a test"
threads = 1

[training]
steps = 4
batch = 1
learning_rate = 1e-3

[evaluation]
splits = ["knee"]
volumes = 2
slices = 2

[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["dense", "snip", "magnitude"]
timings = ["at-init", "while", "after"]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Twelve knees of 30 slices, 15 × 640 × 368: about 10 GB, removed afterwards."""
    folder = tmp_path_factory.mktemp("scale")
    for number in range(VOLUMES):
        path = folder / "knee" / f"multicoil_{'train' if number < 8 else 'val'}" / f"file{number}.h5"
        write_realistic(path, 15, 640, 368, (320, 320), 332)
        with h5py.File(path, "r+") as file:
            file.attrs["patient_id"] = str(number)
            for key in ("kspace", "reconstruction_rss"):
                values = file[key][()]
                del file[key]
                file.create_dataset(key, data=np.repeat(values, SLICES, 0))
    yield folder
    for path in folder.rglob("*.h5"):
        path.unlink()


@pytest.fixture
def track(tmp_path):
    path = tmp_path / "shapes.toml"
    path.write_text(TRACK)
    return path


def test_a_plan_counts_and_reads_nothing(root, track, monkeypatch):
    monkeypatch.setattr(batches, "read_slices", None)
    planned = plan(Request("modl", "snip", size="toy", track=str(track), data=str(root)))
    assert len(planned.workspace.data) > 100
    assert planned.workspace.step_macs > 0


def test_threads_read_the_same_batches_and_their_rate_is_told(root, track, capsys):
    assert main(["speed", "loader", "--data", str(root), "--track", str(track), "--batches", "8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "(15, 640, 368)" in lines[0]
    assert [line.split()[1] for line in lines[4:]] == ["0", "1", "2", "4"]


def test_memory_grows_neither_with_slices_nor_with_volumes(root, track, capsys):
    given = ["--data", str(root), "--track", str(track), "--slices", "8", "16", "30", "--volumes", "1", "4"]
    assert main(["speed", "growth", *given]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    grown = [float(row[5]) - float(row[4]) for row in rows]
    assert max(grown) < 2048
    assert grown[2] < 1.3 * grown[0]  # 30 slices of a volume and 8
    assert grown[4] < 1.3 * grown[3]  # four volumes and one
    each = [float(row[3]) for row in rows[:3]]
    assert each[2] < 2 * each[0]  # seconds of a slice do not grow, either


def test_a_sweep_says_beforehand_what_it_takes(root, track, tmp_path):
    command = [sys.executable, "-m", "bench", "sweep", str(track), "--data", str(root), "--dry-run"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        check=True,
    )
    told = done.stdout
    for words in ("time on this cpu: about", "memory of a trial: about", "disk: about", "read from the data: about"):
        assert words in told
    assert not (tmp_path / "out").exists()
