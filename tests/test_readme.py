"""The README's pruners, in files outside the clone, do what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from records.record import FILE, Record

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
NAMES = {"taylor": 0, "two-cuts": 1}


def bench(*arguments, cwd, path=""):
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True
    )


def lists(text, name):
    """Whether a line begins with the name."""
    return re.search(rf"^\s*{name}\s", text, re.MULTILINE) is not None


@pytest.fixture(params=sorted(NAMES))
def example(request, tmp_path):
    file = tmp_path / "my_pruner.py"
    file.write_text(BLOCKS[NAMES[request.param]])
    return request.param, file


def test_there_are_two_examples_and_the_score_has_ten_lines():
    assert len(BLOCKS) == 2
    code = BLOCKS[0][BLOCKS[0].index("@pruner") :]
    assert len(code.splitlines()) <= 10


def test_an_example_is_listed_and_runs_and_is_recorded_by_its_hash(example, tmp_path):
    name, file = example
    assert lists(bench("list", "pruners", "--plugin", file, cwd=tmp_path).stdout, name)
    assert not lists(bench("list", "pruners", cwd=tmp_path).stdout, name)
    command = ["run", "--arch", "modl", "--pruner", name, "--plugin", file, "--size", "toy", "--device", "cpu"]
    done = bench(*command, "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / "results").glob(f"*/{FILE}")
    entries = {entry["name"]: entry for entry in Record.read(record).content["provenance"]["entries"]}
    assert re.fullmatch("sha256:[0-9a-f]{64}", entries[name]["origin"])


def test_an_example_keeps_the_contract(example, tmp_path):
    name, file = example
    done = bench("check", "pruner", name, "--plugin", file, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "keeps its contract" in done.stdout
    assert "FAIL" not in done.stdout


def test_packages_bring_pruners_by_their_entry_points(tmp_path):
    (tmp_path / "their_pruners.py").write_text(BLOCKS[0])
    info = tmp_path / "their_pruners-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-pruners\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[punbench.pruners]\ntaylor = their_pruners\n")
    (info / "top_level.txt").write_text("their_pruners\n")
    (info / "RECORD").write_text("their_pruners.py,,\n")
    assert lists(bench("list", "pruners", cwd=tmp_path, path=str(tmp_path)).stdout, "taylor")
    (tmp_path / "their_pruners.py").write_text("import nothing_of_that_name")
    listed = bench("list", "pruners", cwd=tmp_path, path=str(tmp_path))
    assert listed.returncode == 0
    assert "installed pruner 'taylor'" in listed.stdout
    done = bench("run", "--arch", "modl", "--pruner", "taylor", "--size", "toy", cwd=tmp_path, path=str(tmp_path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "installed pruner 'taylor'" in done.stderr
