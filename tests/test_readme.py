"""What the README says works: its commands from top to bottom, its pruners in files outside the clone."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from architectures import architectures
from bench.cli import main
from bench.tracks.track import tracks
from pruners import pruners
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


def test_there_are_two_pruners_and_the_score_has_ten_lines():
    assert len(BLOCKS) == 3
    code = BLOCKS[0][BLOCKS[0].index("@pruner") :]
    assert len(code.splitlines()) <= 10


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_what_a_page_links_to_is_there(page):
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert link.startswith("https://") or ((ROOT / page).parent / link).exists(), link


def test_the_picture_of_the_demo_is_small():
    assert (ROOT / "docs/pictures/demo.png").stat().st_size < 300_000


def test_an_example_is_listed_and_runs_and_is_recorded_by_its_hash(example, tmp_path):
    name, file = example
    assert lists(bench("list", "pruners", "--plugin", file, cwd=tmp_path).stdout, name)
    assert not lists(bench("list", "pruners", cwd=tmp_path).stdout, name)
    command = ["run", "--arch", "modl", "--pruner", name, "--plugin", file, "--size", "toy", "--device", "cpu"]
    done = bench(*command, "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / "results").glob(f"*/{FILE}")
    entries = {entry["name"]: entry for entry in Record.read(record).to_json()["provenance"]["entries"]}
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


ARCHITECTURE = '''
"""A network of one's own."""

from architectures import architecture
from architectures.models.modl import ConvolutionalDenoiser, MoDL


@architecture(sizes={"toy": {"unrolls": 2}}, needs=("maps",), sharing="one denoiser", source="an example", version=1)
def mine(unrolls: int) -> MoDL:
    """MoDL of two layers."""
    return MoDL(ConvolutionalDenoiser(4, layers=2), unrolls=unrolls, iterations=4)
'''
ELSEWHERE = ("make ", "source ", "#", "head=", "node=", "srun ", "sleep ", "python -m bench sweep fastmri-knee")
"""Lines of other programs, and the sweep that needs a cluster and fastMRI's data."""


def commands():
    """Every command of the README in order, at the smallest size."""
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        for line in block.splitlines():
            if not line.startswith(ELSEWHERE):
                yield line.partition(" #")[0].strip()


def toy_arguments(command, folder):
    """The arguments after ``python -m bench``: tracks and sizes of minutes and hours replaced by the toy."""
    assert command.startswith("python -m bench "), command
    words = []
    for word in shlex.split(command)[3:]:
        word = {"demo": "toy", "mini": "toy", "ROOT": "root", "NAME": "mine"}.get(word, word)
        word = word.replace("published/mini", "published/toy")
        found = sorted(str(path.relative_to(folder)) for path in folder.glob(word.replace("…", "*")))
        # "…" stands for the rest of one name
        words += [word] if not word.startswith("results/") else found[:1] if "…" in word else found
    if words[0] == "run" or words[:2] == ["speed", "channels"]:
        words += ["--size", "toy"]
    if words[:2] == ["speed", "pruners"]:
        words += ["--track", "toy", "--only", "snip", "pun"]
    if words[0] == "speed":
        words += ["--runs", "2"]
    return words


def test_every_command_of_the_readme_works_in_one_folder(tmp_path, monkeypatch, capsys, override):
    """In the order in which a reader meets them; what the clone and the reader bring is put there first."""
    toy = tracks.get("toy")
    small = replace(toy.grid[0], architectures=("modl",), pruners=("dense", "random", "snip"), timings=("at-init",))
    override(tracks, replace(toy, grid=(small,)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr("bench.machine.signals.listen", lambda: None)  # signals of this process are pytest's
    (tmp_path / "my_pruner.py").write_text(BLOCKS[0])
    (tmp_path / "my_architecture.py").write_text(ARCHITECTURE)
    patients = [f"--{anatomy}-{part}=1" for anatomy in ("knee", "brain") for part in ("train", "val")]
    assert main(["data", "simulate", "root", *patients, "--slices=2", "--matrix=48", "--coils=3"]) == 0
    shutil.copy(next(tmp_path.glob("root/knee/multicoil_val/*.h5")), tmp_path / "scan.h5")
    count = 0
    for command in commands():
        arguments = toy_arguments(command, tmp_path)
        if "leaderboards/published/toy" in arguments and not Path("leaderboards").exists():
            assert main(["leaderboard", "toy", "--records", "results"]) == 0
        registries = [architectures.override(), pruners.override()]
        with registries[0], registries[1]:  # a plug-in stays in its command
            try:
                code: int | str | None = main(arguments)
            except SystemExit as stop:
                code = stop.code
        assert code == 0, (command, arguments, capsys.readouterr().err[-2000:])
        count += 1
    assert count > 30
    assert Path("results/compare.png").exists()
    assert Path("leaderboards/published/toy/index.html").exists()
