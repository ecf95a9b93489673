import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from fastmri.data.mri_data import SliceDataset

from datasets.errors import DataError
from datasets.manifest import identity_of, open_manifest, write_manifest
from datasets.roots import DataRoot, find_root, open_root
from datasets.slices import read_slices
from datasets.volumes import inspect_volume
from registries import RequestError
from tests.datasets.volumes import spoiled, write_volume


def check_against_fastmri(folder, anatomy):
    """Every slice and every figure of the header as fastMRI's own reader gives them."""
    reference = SliceDataset(folder, challenge="multicoil")
    assert len(reference) > 0
    for (file, index, metadata), sample in zip(reference.raw_samples, reference, strict=True):
        volume = inspect_volume(file, f"{anatomy}/{folder.name}/{file.name}")
        kspace, target = read_slices(volume, [index])
        np.testing.assert_array_equal(kspace[0], sample[0])
        np.testing.assert_array_equal(target[0], sample[2])
        assert volume.recon_size == metadata["recon_size"][:2]
        assert volume.acquired == (metadata["padding_left"], metadata["padding_right"])
        assert (volume.acquisition, volume.patient) == (metadata["acquisition"], metadata["patient_id"])


def test_reader_agrees_with_fastmri(simulated_root):
    check_against_fastmri(simulated_root / "knee" / "multicoil_train", "knee")
    check_against_fastmri(simulated_root / "brain" / "multicoil_val", "brain")


def test_reader_agrees_with_fastmri_on_real_volumes(real_kspace):
    check_against_fastmri(real_kspace / "knee" / "multicoil_val", "knee")
    check_against_fastmri(real_kspace / "brain" / "multicoil_val", "brain")


@pytest.mark.parametrize("kind", sorted(spoiled(Path())))
def test_spoiled_volumes_are_named_with_file_and_key(kind, tmp_path):
    spoil, message = spoiled(tmp_path)[kind]
    spoil()
    with pytest.raises(DataError) as caught:
        open_manifest(open_root(tmp_path))
    assert message in str(caught.value)
    assert "bad.h5" in str(caught.value)
    assert "\n" not in str(caught.value)


def make_root(folder, names=("a.h5", "b.h5")):
    for name in names:
        write_volume(folder / "knee" / "multicoil_train" / name)
    return open_root(folder)


def test_other_files_are_ignored(tmp_path):
    (tmp_path / "knee" / "multicoil_train").mkdir(parents=True)
    (tmp_path / "knee" / "multicoil_train" / "notes.txt").write_text("hello")
    assert [name for name, _ in make_root(tmp_path).files()] == [
        "knee/multicoil_train/a.h5",
        "knee/multicoil_train/b.h5",
    ]


def test_manifest_is_made_once_and_reused(tmp_path, monkeypatch):
    root = make_root(tmp_path)
    first = open_manifest(root)
    monkeypatch.setattr("datasets.manifest.inspect_volume", lambda *_: pytest.fail("inspected twice"))
    assert open_manifest(root) == first
    assert write_manifest(root) == first
    assert len(identity_of(first.volumes)) == 64


@pytest.mark.parametrize("change", ["content", "added", "removed"])
def test_data_that_changed_since_the_manifest_are_refused(tmp_path, change):
    root = make_root(tmp_path)
    before = open_manifest(root)
    folder = tmp_path / "knee" / "multicoil_train"
    if change == "content":
        write_volume(folder / "a.h5", attributes={"patient_id": "somebody else"})
        os.utime(folder / "a.h5", ns=(1, 1))
        with pytest.raises(DataError, match="changed since"):
            read_slices(before.volumes[0], [0])
    elif change == "added":
        write_volume(folder / "c.h5")
    else:
        (folder / "b.h5").unlink()
    with pytest.raises(DataError, match=f"since the manifest was made; `python -m bench data check {tmp_path}` renews"):
        open_manifest(root)
    write_manifest(root)
    assert identity_of(open_manifest(root).volumes) != identity_of(before.volumes)


def test_roots_are_found_in_the_order_of_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_root(None, None) is None
    for name in ("given", "variable", "table"):
        make_root(tmp_path / name)
    (tmp_path / "fastmri_dirs.yaml").write_text(f"knee_path: {tmp_path}/table/knee\nbrain_path: /path/to/brain\n")
    table = find_root(None, None)
    assert table == DataRoot(
        tmp_path / "fastmri_dirs.yaml", "fastmri_dirs.yaml", (("knee", tmp_path / "table" / "knee"),), None
    )
    assert table.check_command == "python -m bench data check"
    assert find_root(None, None).origin == "fastmri_dirs.yaml"
    monkeypatch.setenv("PUNBENCH_DATA", str(tmp_path / "variable"))
    assert find_root(None, None).anatomies[0][1] == tmp_path / "variable" / "knee"
    assert find_root(None, None).origin == "$PUNBENCH_DATA"
    assert find_root(str(tmp_path / "given"), None).anatomies[0][1] == tmp_path / "given" / "knee"


def test_bad_roots_are_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="no such data folder"):
        open_root(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"holds no \.h5 volume"):
        open_root(tmp_path)
    make_root(tmp_path)
    with pytest.raises(DataError, match="no such folder of fastMRI\\+ annotations"):
        open_root(tmp_path, tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    for text in ("[: no yaml", "knee", "knee_path: 3\nbrain_path: ~nobody/x"):
        (tmp_path / "fastmri_dirs.yaml").write_text(text)
        with pytest.raises(DataError, match=r"fastmri_dirs\.yaml"):
            find_root(None, None)


def test_a_dangling_link_is_named(tmp_path):
    make_root(tmp_path)
    (tmp_path / "knee" / "multicoil_train" / "gone.h5").symlink_to(tmp_path / "nowhere.h5")
    with pytest.raises(DataError, match=r"gone\.h5: cannot be read"):
        open_manifest(open_root(tmp_path))


def test_inspected_volumes_survive_a_bad_one(tmp_path, monkeypatch):
    (tmp_path / "knee" / "multicoil_train").mkdir(parents=True)
    bad = tmp_path / "knee" / "multicoil_train" / "z.h5"
    bad.write_text("not a volume")
    with pytest.raises(DataError, match="cannot be read"):
        open_manifest(make_root(tmp_path))
    bad.unlink()
    monkeypatch.setattr("datasets.manifest.inspect_volume", lambda *_: pytest.fail("inspected twice"))
    assert len(open_manifest(open_root(tmp_path)).volumes) == 2


def test_a_manifest_of_another_schema_is_made_anew(tmp_path, monkeypatch):
    root = make_root(tmp_path)
    first = open_manifest(root)
    monkeypatch.setattr("datasets.manifest.SCHEMA", 99)
    assert open_manifest(root) == first


def test_validation_patients_are_a_share_and_never_none_of_many(tmp_path):
    from datasets.splits import training_set

    few = open_manifest(make_root(tmp_path / "few", [f"{i}.h5" for i in range(9)]))
    assert training_set(few, None, "knee").validation == ()
    for number in (10, 40):
        found = training_set(
            open_manifest(make_root(tmp_path / str(number), [f"{i}.h5" for i in range(number)])), None, "knee"
        )
        assert 1 <= len(found.validation) < number / 2
        assert {v.patient for v in found.training}.isdisjoint(v.patient for v in found.validation)
        assert len(found.training) + len(found.validation) == number


def test_a_patient_in_training_and_test_is_refused(tmp_path):
    from datasets.splits import training_set

    make_root(tmp_path)
    shutil.copytree(tmp_path / "knee" / "multicoil_train", tmp_path / "knee" / "multicoil_val")
    with pytest.raises(RequestError, match="patient a is in training"):
        training_set(open_manifest(open_root(tmp_path)), None, "knee")
