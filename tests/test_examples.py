"""What docs/api.md, the README and the notebook show works, from top to bottom."""

import json
import re
import shutil
from functools import partial
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
PLACE = 2
"""Of the example among the README's blocks of Python; two pruners come before."""
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture
def at_home(tmp_path, monkeypatch, simulated_root):
    """A folder with a volume and a data root, as the examples have them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    backend = mpl.get_backend()
    mpl.use("agg")
    shutil.copytree(simulated_root, tmp_path / "root")
    shutil.copy(sorted((simulated_root / "knee" / "multicoil_val").glob("*.h5"))[0], tmp_path / "scan.h5")
    yield tmp_path
    plt.close("all")
    mpl.use(backend)


def carried_out(blocks):
    """The names that are there after running blocks of code in one place, one after the other."""
    names = {"__name__": "example"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"block {number}", "exec"), names)
    return names


def test_every_example_of_the_documentation_runs(at_home, capsys):
    names = carried_out(PYTHON.findall((ROOT / "docs" / "api.md").read_text(encoding="utf-8")))
    assert names["image"].shape == (24, 21)
    assert {"knee.psnr", "brain.ssim"} <= set(names["table"].columns)
    assert len(names["found"]) == 2
    assert "of the prunable weights are kept" in capsys.readouterr().out


def test_the_example_of_the_readme_has_ten_lines_and_runs(at_home, monkeypatch, capsys):
    from bench import api

    block = PYTHON.findall((ROOT / "README.md").read_text(encoding="utf-8"))[PLACE]
    assert len([line for line in block.splitlines() if line]) == 10
    toy = partial(api.run, size="toy")
    monkeypatch.setattr(api, "run", toy)
    names = carried_out([block])
    assert names["image"].shape[0] == names["scan"].target.shape[0]
    assert "10% of the weights are kept" in capsys.readouterr().out


def test_every_name_of_the_module_is_documented():
    from bench import api

    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert [name for name in api.__all__ if f"`{name}(" not in text] == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_from_top_to_bottom(notebook, at_home):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    blocks = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names = carried_out(blocks)
    assert names["figure"].axes
    assert all(cell.get("outputs", []) == [] for cell in cells)  # what it prints is made where it runs


def test_there_are_notebooks():
    assert NOTEBOOKS
