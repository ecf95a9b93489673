"""The manifest of a root: of the folders that are needed, by one of several processes, and through a kill."""

import subprocess
import sys
from pathlib import Path

import pytest

from datasets.cache import cache_folder
from datasets.errors import DataError
from datasets.manifest import open_manifest
from datasets.roots import open_root
from datasets.volumes import inspect_volume
from registries.sealed import read_sealed_json, write_sealed_json
from tests.datasets.volumes import write_volume

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Of each test its own."""
    monkeypatch.setenv("PUNBENCH_CACHE", str(tmp_path / "cache"))


def make_root(folder, names):
    for name in names:
        write_volume(folder / "knee" / "multicoil_train" / name)
    return open_root(folder)


BOTH = frozenset({"knee/multicoil_train", "knee/multicoil_val"})


def make_both(folder):
    for name in ("knee/multicoil_train/a", "knee/multicoil_val/b", "brain/multicoil_val/c"):
        write_volume(folder / f"{name}.h5", attributes={"patient_id": name})
    return open_root(folder)


@pytest.fixture
def inspected(monkeypatch):
    """Names of volumes that are inspected."""
    names: list[str] = []

    def inspect(path, name):
        names.append(name)
        return inspect_volume(path, name)

    monkeypatch.setattr("datasets.manifest.inspect_volume", inspect)
    return names


def test_only_the_folders_that_are_asked_for_are_inspected(tmp_path, inspected):
    root = make_both(tmp_path)
    brain = tmp_path / "brain" / "multicoil_val" / "c.h5"
    whole = brain.read_bytes()
    brain.write_text("not a volume")
    knee = open_manifest(root, BOTH)
    assert sorted(inspected) == ["knee/multicoil_train/a.h5", "knee/multicoil_val/b.h5"]
    assert [volume.name for volume in knee.volumes] == sorted(inspected)
    with pytest.raises(DataError, match=r"c\.h5"):
        open_manifest(root)
    brain.write_bytes(whole)
    inspected.clear()
    everything = open_manifest(root)
    assert inspected == ["brain/multicoil_val/c.h5"]
    assert open_manifest(root, BOTH).volumes == knee.volumes
    assert set(knee.volumes) < set(everything.volumes)
    write_volume(tmp_path / "brain" / "multicoil_val" / "d.h5")
    assert open_manifest(root, BOTH).volumes == knee.volumes
    with pytest.raises(DataError, match=r"d\.h5: was added"):
        open_manifest(root)


def test_a_complete_manifest_of_the_schema_before_is_read_still(tmp_path, inspected):
    root = make_both(tmp_path)
    first = open_manifest(root)
    (path,) = cache_folder("manifests").glob("*.json")
    content = read_sealed_json(path)
    for complete in (True, False):
        inspected.clear()
        write_sealed_json(path, {"schema": 2, "complete": complete, "volumes": content["volumes"]})
        assert open_manifest(root) == first
        assert inspected == []


def test_what_was_inspected_before_a_kill_is_kept(tmp_path, inspected):
    """The process ends at once: nothing of it runs any more."""
    names = [f"{number:02d}.h5" for number in range(8)]
    root = make_root(tmp_path / "root", names)
    script = (
        "import os\nfrom pathlib import Path\nimport datasets.manifest as m\n"
        "from datasets.roots import open_root\nfrom datasets.volumes import inspect_volume\n"
        "m.KEPT_EVERY = -1.0\n"
        "class One(m.ThreadPoolExecutor):\n    def __init__(self): super().__init__(1)\n"
        "m.ThreadPoolExecutor = One\nwrite, done = m._write, []\n"
        "def count(*values):\n    write(*values)\n    done.append(1)\n    len(done) == 3 and os._exit(9)\n"
        f"m._write = count\nm.open_manifest(open_root(Path({str(root.place)!r})))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 9, ended.stderr
    assert len(open_manifest(root).volumes) == 8
    assert len(inspected) == 5


def test_of_several_processes_one_inspects(tmp_path):
    root = make_root(tmp_path / "root", [f"{number}.h5" for number in range(4)])
    script = (
        "import time\nfrom pathlib import Path\nimport datasets.manifest as m\n"
        "from datasets.roots import open_root\ninspect = m.inspect_volume\n"
        "def slow(path, name):\n    print(f'{name}\\n', end='')\n    time.sleep(0.5)\n    return inspect(path, name)\n"
        f"m.inspect_volume = slow\nm.open_manifest(open_root(Path({str(root.place)!r})))\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(name for names in said for name in names) == [f"knee/multicoil_train/{n}.h5" for n in range(4)]


def test_a_manifest_that_is_extended_keeps_what_it_knew_through_an_interruption(tmp_path, inspected, monkeypatch):
    root = make_both(tmp_path)
    open_manifest(root, frozenset({"knee/multicoil_val"}))
    inspected.clear()

    def interrupted(path, name):
        raise KeyboardInterrupt

    monkeypatch.setattr("datasets.manifest.inspect_volume", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_manifest(root)

    def inspect(path, name):
        inspected.append(name)
        return inspect_volume(path, name)

    monkeypatch.setattr("datasets.manifest.inspect_volume", inspect)
    open_manifest(root)
    assert sorted(inspected) == ["brain/multicoil_val/c.h5", "knee/multicoil_train/a.h5"]
