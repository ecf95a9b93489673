"""Files and folders have the rights that the user's umask leaves, whatever library writes them."""

import os
import subprocess
import sys

import pytest
import safetensors.torch
import torch

from registries.files import new_folder, replacing, write_json

UMASKS = (0o002, 0o022, 0o077)


@pytest.fixture(params=UMASKS, ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def rights(path):
    return path.stat().st_mode & 0o777


def test_a_file_of_any_writer_has_the_rights_of_the_umask(tmp_path, umask):
    with replacing(tmp_path / "weights.safetensors") as path:
        safetensors.torch.save_file({"weight": torch.zeros(1)}, path)
    write_json(tmp_path / "made" / "value.json", 1)
    assert rights(tmp_path / "weights.safetensors") == rights(tmp_path / "made" / "value.json") == 0o666 & ~umask
    assert rights(tmp_path / "made") == rights(new_folder(tmp_path, ".new.")) == 0o777 & ~umask


def test_a_file_that_could_not_be_written_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "file"):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("umask", [0o002, pytest.param(0o077, marks=pytest.mark.show)], ids=oct)
def test_all_that_commands_leave_has_the_rights_of_the_umask(tmp_path, umask):
    """Simulated data, a trial with its stages, and a board."""
    out, board = tmp_path / "out", tmp_path / "board"
    run = ["run", "--arch", "modl", "--pruner", "dense", "--size", "toy", "--device", "cpu", "--quiet", "--out", out]
    for command in (run, ["leaderboard", "toy", "--records", out, "--out", board]):
        subprocess.run(
            [sys.executable, "-m", "bench", *map(str, command)],
            env={**os.environ, "PUNBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
            umask=umask,
            check=True,
            capture_output=True,
        )
    made = [path for folder in (out, board, tmp_path / "cache") for path in (folder, *folder.rglob("*"))]
    assert {path.suffix for path in made} >= {
        ".json",
        ".safetensors",
        ".png",
        ".txt",
        ".lock",
        ".h5",
        ".csv",
        ".parquet",
    }
    wrong = {
        str(path.relative_to(tmp_path)): oct(rights(path))
        for path in made
        if rights(path) != (0o777 if path.is_dir() else 0o666) & ~umask
    }
    assert not wrong
