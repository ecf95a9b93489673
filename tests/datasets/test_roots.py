"""Folders that are almost the right ones: the remedy is named, and nothing is left out in silence."""

import os
import shutil

import pytest

from bench.cli import main
from datasets.errors import DataError
from datasets.roots import find_root, left_out, open_root
from tests.datasets.volumes import write_volume

RUN = ["run", "--arch", "modl", "--pruner", "dense", "--size", "toy", "--quiet"]


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    for name in ("knee/multicoil_train/a", "knee/multicoil_train/b", "knee/multicoil_val/c"):
        write_volume(folder / f"{name}.h5")
    return folder


@pytest.mark.parametrize("place", ["knee", "knee/multicoil_train", ".."])
def test_a_root_too_deep_or_too_high_is_named_with_the_right_one(root, place, capsys):
    assert main(["data", "check", str(root / place)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"use {root} as --data" in line


def test_where_there_is_no_better_root_none_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        open_root(tmp_path)
    assert "use" not in str(caught.value).replace(str(tmp_path), "")


LEFT_OUT = {
    "knee/multicoil_train_batch_0/d.h5": "multicoil_train_batch_0: holds volumes that are not read; move them to",
    "knee/multicoil_train/more/d.h5": "more: holds volumes that are not read; move them up to multicoil_train",
    "knee/multicoil_train/more/deeper/d.h5": "more: holds volumes that are not read; move them up",
    "knee/multicoil_train/d.H5": "d.H5: is not read; rename it to d.h5",
    "knee/multicoil_train/d.hdf5": "d.hdf5: is not read; rename it to d.h5",
    "knee/d.h5": "knee/d.h5: is not read; move it to multicoil_train or multicoil_val",
    "Brain/multicoil_train/d.h5": "Brain: is not read, as it is called neither knee nor brain",
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_volumes_that_are_not_read_are_named_by_check_run_and_sweep(root, name, tmp_path, capsys):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "knee" / "multicoil_train" / "a.h5", root / name)
    given = ["--data", str(root), "--out", str(tmp_path / "out")]
    for command, code in (
        (["data", "check", str(root)], 2),
        ([*RUN, "--dry-run", *given], 0),
        (["sweep", "toy", "--only", "modl/dense", "--dry-run", *given], 0),
    ):
        assert main(command) == code
        said = capsys.readouterr().err
        assert LEFT_OUT[name] in said, command


def test_other_sets_of_fastmri_and_hidden_folders_are_no_omission(root):
    for name in ("multicoil_test", "multicoil_challenge", "singlecoil_train", "multicoil_test_v2", ".trash"):
        (root / "knee" / name).mkdir()
        shutil.copy(root / "knee" / "multicoil_train" / "a.h5", root / "knee" / name)
    assert list(left_out(open_root(root))) == []


def test_several_that_are_left_out_are_one_line_of_a_run(root, tmp_path, capsys):
    for name in ("d.H5", "e.H5"):
        shutil.copy(root / "knee" / "multicoil_train" / "a.h5", root / "knee" / "multicoil_train" / name)
    assert main([*RUN, "--dry-run", "--data", str(root), "--out", str(tmp_path / "out")]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "bench: " in line]
    assert f"d.H5: is not read; rename it to d.h5 (one of 2: `python -m bench data check {root}` names them)" in line


@pytest.mark.parametrize("name", [b"knee_\xff.h5", b"a\nb.h5"])
def test_file_names_that_are_no_plain_text_are_refused(root, name, tmp_path, capsys):
    folder = root / "knee" / "multicoil_train"
    shutil.copy(folder / "a.h5", folder / os.fsdecode(name))
    for command in (["data", "check", str(root)], [*RUN, "--data", str(root), "--out", str(tmp_path / "out")]):
        assert main(command) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "bench: " in line]
        assert "is not plain UTF-8 text; rename it" in line


def test_so_are_folders(root, tmp_path, capsys):
    renamed = root.rename(tmp_path / os.fsdecode(b"data_\xff"))
    assert main([*RUN, "--data", str(renamed), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "data_\\udcff/knee': the path is not plain UTF-8 text; rename its folders" in line


def test_fastmris_table_may_name_one_anatomy_alone_and_no_folder_that_is_missing(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "fastmri_dirs.yaml"
    table.write_text(f"knee_path: {root}/knee\n")
    assert [name for name, _ in find_root(None, None).anatomies] == ["knee"]
    table.write_text(f"knee_path: {root}/knee\nbrain_path: {root}/brian\n")
    with pytest.raises(DataError, match=r"fastmri_dirs\.yaml, key 'brain_path': there is no folder .*brian; correct"):
        find_root(None, None)
