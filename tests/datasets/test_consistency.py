"""Volumes that contradict themselves are named with the most likely cause; good ones are not."""

import shutil

import h5py
import numpy as np
import pytest
import torch

from bench.cli import main
from datasets.consistency import contradictions, duplicates
from datasets.manifest import inspect_root
from datasets.mismatch import mismatch
from datasets.roots import open_root
from datasets.samples import root_sum_of_squares
from datasets.simulated.acquisition import root_sum_of_squares as simulated_target
from datasets.simulated.generate import HEADER
from datasets.slices import read_slices
from datasets.volumes import inspect_volume
from tests.datasets.volumes import write_volume


@pytest.fixture
def file(simulated_root, tmp_path):
    """A good volume, to be spoiled."""
    source = sorted((simulated_root / "knee" / "multicoil_val").glob("*.h5"))[0]
    path = tmp_path / "root" / "knee" / "multicoil_val" / source.name
    path.parent.mkdir(parents=True)
    shutil.copy(source, path)
    return path


def changed(path, key, change):
    with h5py.File(path, "r+") as file:
        value = change(file[key][()])
        del file[key]
        file[key] = np.ascontiguousarray(value)


def check_agreement(root):
    """Rounding is all that parts target and k-space, in single and in double precision."""
    volumes, problems = inspect_root(open_root(root))
    assert problems == []
    assert [words for volume in volumes for words in contradictions(volume)] == []
    assert list(duplicates(volumes)) == []
    for volume in volumes:
        kspace, target = (torch.from_numpy(part[0]) for part in read_slices(volume, [volume.slices // 2]))
        assert mismatch(root_sum_of_squares(kspace), target) < 1e-10
        assert mismatch(root_sum_of_squares(kspace.to(torch.complex128)), target.double()) < 3e-14


def test_simulated_volumes_agree_with_themselves(simulated_root):
    check_agreement(simulated_root)


def test_real_volumes_agree_with_themselves(real_kspace):
    check_agreement(real_kspace)


def averaged(target):
    """Two averages, each with noise of its own, combined before the root of the sum."""
    noise = np.random.default_rng(0).standard_normal((2, *target.shape)) * 0.04 * target.max()
    return np.sqrt(((target + noise) ** 2).mean(0))


def alternating(kspace, rows=1, columns=1):
    return kspace * (-1.0) ** np.add.outer(rows * np.arange(kspace.shape[-2]), columns * np.arange(kspace.shape[-1]))


def with_holes(kspace):
    return np.where(np.arange(kspace.shape[-1]) % 4 == 1, 0, kspace)


TARGET = "reconstruction_rss"
DAMAGES = {
    "upside down": (TARGET, lambda t: t[:, ::-1], "the target is upside down"),
    "mirrored": (TARGET, lambda t: t[:, :, ::-1], "the target is mirrored"),
    "turned": (TARGET, lambda t: t[:, ::-1, ::-1], "turned by 180°"),
    "turned left": (TARGET, lambda t: np.rot90(t, 1, (1, 2)), "turned by 90° counterclockwise"),
    "turned right": (TARGET, lambda t: np.rot90(t, -1, (1, 2)), "turned by 90° clockwise"),
    "transposed": (TARGET, lambda t: t.transpose(0, 2, 1), "the target is transposed"),
    "two causes": (TARGET, lambda t: 3 * t[:, ::-1], "upside down, and the target is 3 times as large"),
    "scaled": ("kspace", lambda k: k / 4, "the target is 4 times as large"),
    "corner": ("kspace", lambda k: np.fft.fftshift(k, axes=(-2, -1)), "apply fftshift to its rows and columns"),
    "corner of columns": ("kspace", lambda k: np.fft.fftshift(k, axes=-1), "apply fftshift to its columns"),
    "rolled": ("kspace", lambda k: np.roll(k, 9, axis=-1), "not in the middle: roll its columns"),
    "alternating": ("kspace", alternating, "its image is in the corners"),
    "alternating rows": ("kspace", lambda k: alternating(k, columns=0), "its image is shifted by half its rows"),
    "alternating columns": ("kspace", lambda k: alternating(k, rows=0), "its image is shifted by half its columns"),
    "averages": (TARGET, averaged, "averages combined before the root"),
    "another": (TARGET, lambda t: t[:, ::-1] ** 2, "no orientation and no factor makes them equal"),
    "undersampled": ("kspace", with_holes, "columns between acquired ones are zero"),
    "fewer rows": ("kspace", lambda k: k[:, :, 16:48], "cropped or padded under an old header"),
    "another size": (TARGET, lambda t: t[:, 1:-1, 1:-1], "30 × 30 pixels, the header reconstructs 32 × 32"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_does_not_fit_is_named_with_its_cause(file, name, capsys):
    key, change, words = DAMAGES[name]
    changed(file, key, lambda value: change(value).astype(value.dtype))
    assert main(["data", "check", str(file.parents[2])]) == 2
    said = capsys.readouterr().err.splitlines()
    assert any(words in line and str(file) in line for line in said), said


def test_kspace_cropped_to_the_field_of_view_of_the_target_is_named(file):
    """The image is the same, and the header tells: it speaks of the columns of another matrix."""

    def cropped(kspace):
        image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, (-2, -1)), norm="ortho"), (-2, -1))[
            :, :, 16:48, 1:33
        ]
        return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, (-2, -1)), norm="ortho"), (-2, -1))

    changed(file, "kspace", lambda value: cropped(value).astype(value.dtype))
    (words,) = contradictions(inspect_volume(file, "a.h5"))
    assert "k-space has 32 × 32 points, the header encodes 64 × 34" in words


def test_a_partial_echo_is_no_fault(file):
    changed(file, "kspace", lambda value: np.roll(value, -12, axis=-2))
    assert list(contradictions(inspect_volume(file, "a.h5"))) == []


def test_a_stale_maximum_is_named(file):
    with h5py.File(file, "r+") as volume:
        volume.attrs["max"] = 2 * volume.attrs["max"]
    assert "attribute 'max'" in next(contradictions(inspect_volume(file, "a.h5")))


def test_values_outside_the_acquired_columns_are_named(tmp_path):
    kspace = np.ones((2, 3, 32, 20), np.complex64)
    kspace[..., 16, 10] = 60
    found = list(contradictions(inspect_volume(write_volume(tmp_path / "a.h5", kspace=kspace), "a.h5")))
    assert found == ["slice 0: k-space has values in column 0; the header calls columns 2 to 17 acquired"]


@pytest.mark.parametrize("shape", [(15, 31), (31, 15), (9, 8)])
def test_targets_of_any_shape_agree(tmp_path, shape):
    """Wider than high, of odd size: what is consistent is no contradiction."""
    draw = np.random.default_rng(0)
    kspace = (draw.standard_normal((2, 2, 33, 35)) + 1j * draw.standard_normal((2, 2, 33, 35))).astype(np.complex64)
    kspace[..., 16, 17] = 200
    top, left = ((size - part) // 2 for size, part in zip((33, 35), shape, strict=True))
    whole = root_sum_of_squares(torch.from_numpy(kspace)).numpy()
    target = whole[:, top : top + shape[0], left : left + shape[1]]
    header = HEADER.format(rows=33, columns=35, matrix=shape[0], last=34, centre=17)
    header = header.replace(f"<y>{shape[0]}</y>", f"<y>{shape[1]}</y>")
    path = write_volume(tmp_path / "a.h5", kspace=kspace, target=target, header=header)
    assert list(contradictions(inspect_volume(path, "a.h5"))) == []


def test_a_good_volume_for_other_tests_agrees(tmp_path):
    assert list(contradictions(inspect_volume(write_volume(tmp_path / "a.h5"), "a.h5"))) == []


def with_zeros(path, *slices):
    """Four slices, some of them zero."""
    draw = np.random.default_rng(1)
    kspace = draw.standard_normal((4, 3, 32, 20)).astype(np.complex64)
    kspace[..., 16, 10] = 60
    kspace[..., :2] = kspace[..., 18:] = 0
    kspace[list(slices)] = 0
    return write_volume(path, kspace=kspace, target=simulated_target(kspace, 16))


def test_slices_that_are_zero_are_neither_trained_on_nor_scored_and_that_is_said(tmp_path, capsys):
    """In the middle, where they would be the only ones scored, tuned on and trained on."""
    for name in ("knee/multicoil_train/a", "knee/multicoil_train/b", "knee/multicoil_val/c"):
        with_zeros(tmp_path / "data" / f"{name}.h5", 1, 2)
    root = str(tmp_path / "data")
    assert main(["data", "check", root]) == 0
    out, err = capsys.readouterr()
    assert "knee/multicoil_val/c.h5: slices 1, 2: zero, so neither trained on nor scored" in out
    assert "bench:" not in err
    place = ["--data", root, "--out", str(tmp_path / "out"), "--quiet"]
    setting = ["--set", "train.steps=4"]
    assert main(["run", "--arch", "modl", "--pruner", "dense", "--size", "toy", *setting, *place]) == 0
    out, err = capsys.readouterr()
    assert "6 slices of 3 volumes: zero, so neither trained on nor scored; `python -m bench data check" in err
    assert "nan" not in out


@pytest.mark.parametrize(("key", "words"), [("kspace", "is not zero and its k-space is zero"), (TARGET, "is zero and")])
def test_a_slice_that_is_zero_in_one_of_both_is_refused(file, key, words, capsys):
    changed(file, key, lambda value: value * (np.arange(len(value)) != 1).reshape(-1, *[1] * (value.ndim - 1)))
    assert main(["data", "check", str(file.parents[2])]) == 2
    assert f"slice 1 {words}" in capsys.readouterr().err


def test_duplicates_and_volumes_that_are_not_read_are_named_and_hidden_files_are_none(file, capsys):
    shutil.copy(file, file.with_name("file (1).h5"))
    shutil.copy(file, file.with_name("other.H5"))
    file.with_name(f"._{file.name}").write_bytes(b"of macOS")
    file.with_name(".DS_Store").write_bytes(b"of macOS")
    assert main(["data", "check", str(file.parents[2])]) == 2
    said = capsys.readouterr().err
    assert "file (1).h5" in said
    assert "has the content of" in said
    assert "other.H5: is not read; rename it to other.h5" in said
    assert "._" not in said
    assert ".DS_Store" not in said
