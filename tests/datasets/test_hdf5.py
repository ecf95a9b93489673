"""What HDF5 allows and a reader does not expect: it works, or ends in one line."""

import os
import shutil

import h5py
import numpy as np
import pytest

from bench.cli import main
from datasets.errors import DataError
from datasets.hdf5 import open_hdf5, slices_of
from datasets.slices import read_slices
from datasets.volumes import inspect_volume
from tests.datasets.volumes import write_volume


@pytest.fixture
def file(tmp_path):
    return write_volume(tmp_path / "knee" / "multicoil_val" / "a.h5")


def inspected(file):
    return inspect_volume(file, f"knee/multicoil_val/{file.name}")


def check_refusal(file, words, capsys):
    """By the reader, and by the command line in one line with exit code 2."""
    with pytest.raises(DataError, match=words):
        inspected(file)
    assert main(["data", "check", str(file.parents[2])]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "bench: " in line]
    assert "a.h5" in line


def elsewhere(file, key, kind):
    """Put a data set of a volume into another file."""
    with h5py.File(file, "r+") as volume:
        values = volume[key][()]
        shutil.copy(file, file.with_name("other.bin"))
        del volume[key]
        if kind == "external link":
            volume[key] = h5py.ExternalLink("other.bin", f"/{key}")
        elif kind == "external link to nowhere":
            volume[key] = h5py.ExternalLink("gone.bin", f"/{key}")
        elif kind == "soft link to an external one":
            volume["there"] = h5py.ExternalLink("other.bin", f"/{key}")
            volume[key] = h5py.SoftLink("/there")
        elif kind == "raw storage":
            raw = file.with_name("raw.bin")
            values.tofile(raw)
            external = [(str(raw), 0, values.nbytes)]
            volume.create_dataset(key, values.shape, values.dtype, external=external)
        else:
            layout = h5py.VirtualLayout(values.shape, values.dtype)
            layout[...] = h5py.VirtualSource("other.bin", key, values.shape)
            volume.create_virtual_dataset(key, layout)


KINDS = ["external link", "external link to nowhere", "soft link to an external one", "raw storage", "virtual"]


@pytest.mark.parametrize("kind", KINDS)
def test_data_that_lie_in_another_file_are_refused(file, kind, capsys):
    elsewhere(file, "kspace", kind)
    check_refusal(file, "key 'kspace': lies outside this file; copy its values into the file", capsys)


@pytest.mark.parametrize("key", ["reconstruction_rss", "ismrmrd_header"])
def test_so_are_targets_and_headers(file, key):
    elsewhere(file, key, "external link")
    with pytest.raises(DataError, match=f"key '{key}': lies outside this file"):
        inspected(file)


def test_a_soft_link_inside_the_file_works(file):
    before = read_slices(inspected(file), [0, 1])
    with h5py.File(file, "r+") as volume:
        volume.move("kspace", "raw")
        volume["kspace"] = h5py.SoftLink("/raw")
    np.testing.assert_array_equal(read_slices(inspected(file), [0, 1])[0], before[0])


@pytest.mark.parametrize("chunks", [(1, 3, 32, 20), None])
def test_slices_that_were_declared_and_never_written_are_refused_at_once(file, chunks, capsys):
    with h5py.File(file, "r+") as volume:
        for key, chunk in (("kspace", chunks), ("reconstruction_rss", chunks and (1, 16, 16))):
            shape, dtype = volume[key].shape[1:], volume[key].dtype
            del volume[key]
            volume.create_dataset(key, (10**9, *shape), dtype, chunks=chunk)
    check_refusal(file, "key 'kspace': is incomplete: 0 of ", capsys)


def test_a_file_that_is_half_written_is_refused(file, capsys):
    """As a converter leaves it that was killed, or is still at work."""
    with h5py.File(file, "r+", locking=False) as volume:
        kspace = volume["kspace"][()]
        del volume["kspace"]
        half = volume.create_dataset("kspace", kspace.shape, kspace.dtype, chunks=(1, *kspace.shape[1:]))
        half[0] = kspace[0]
        volume.flush()
        with pytest.raises(DataError, match="is incomplete: 1 of 2 parts"):
            inspected(file)
    check_refusal(file, "is incomplete: 1 of 2 parts", capsys)


def test_what_is_no_file_is_refused_at_once(file, capsys):
    """A pipe would be waited for."""
    file.unlink()
    os.mkfifo(file)
    check_refusal(file, "is not a regular file; remove it", capsys)


def test_compressed_data_are_whole(file):
    with h5py.File(file, "r+") as volume:
        for key in ("kspace", "reconstruction_rss"):
            values = volume[key][()]
            del volume[key]
            volume.create_dataset(key, data=values, chunks=True, compression="gzip")
    assert inspected(file).slices == 2


def test_files_are_opened_without_a_lock(file, monkeypatch):
    """Cluster file systems may have none; and the file's own hash says whether anybody wrote meanwhile."""
    monkeypatch.setattr("h5py.File", lambda *arguments, **named: (arguments, named))
    assert open_hdf5(file) == ((file, "r"), {"locking": False})


@pytest.mark.parametrize("factor", [1e30, 1e-30])
def test_values_that_single_precision_cannot_square_are_refused(file, factor, capsys):
    with h5py.File(file, "r+") as volume:
        volume["kspace"][...] = volume["kspace"][()] * np.float32(factor)
    check_refusal(file, "beyond what single precision can square; rescale", capsys)


@pytest.mark.parametrize("shape", [(3, 3), (16, 6)])
def test_targets_below_the_window_of_ssim_are_refused(file, shape, capsys):
    with h5py.File(file, "r+") as volume:
        del volume["reconstruction_rss"]
        volume["reconstruction_rss"] = np.ones((2, *shape), np.float32)
    check_refusal(file, "too small for SSIM's window of 7", capsys)


def test_a_single_coil_file_says_so(file, capsys):
    with h5py.File(file, "r+") as volume:
        volume.move("reconstruction_rss", "reconstruction_esc")
    check_refusal(file, "single-coil file", capsys)


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({"patient_id": b"knee-7"}, ("knee-7", None)),
        ({"patient_id": np.bytes_("knee-7")}, ("knee-7", None)),
        ({"patient_id": np.array(["knee-7"], dtype=object)}, ("knee-7", None)),
        ({"patient_id": b"kn\xe9e"}, ("kn\\xe9e", None)),
        ({"max": np.array([3.5])}, (None, 3.5)),
        ({"max": np.float32(3.5)}, (None, 3.5)),
    ],
)
def test_attributes_of_other_types_are_taken(tmp_path, attributes, found):
    volume = inspected(write_volume(tmp_path / "a.h5", attributes=attributes))
    patient, maximum = found
    assert patient in (None, volume.patient)
    assert maximum in (None, volume.maximum)


@pytest.mark.parametrize(
    ("attributes", "key"),
    [
        ({"patient_id": ""}, "patient_id"),
        ({"patient_id": np.bytes_("  ")}, "patient_id"),
        ({"patient_id": 7}, "patient_id"),
        ({"acquisition": ""}, "acquisition"),
        ({"max": np.array([1.0, 2.0])}, "max"),
        ({"max": np.array([])}, "max"),
        ({"max": np.nan}, "max"),
        ({"max": "3"}, "max"),
    ],
)
def test_attributes_that_say_nothing_are_named(tmp_path, attributes, key):
    with pytest.raises(DataError, match=f"a.h5, key '{key}': attribute is missing"):
        inspected(write_volume(tmp_path / "a.h5", attributes=attributes))


@pytest.mark.parametrize("options", [{}, {"chunks": True}, {"compression": "gzip"}, {"dtype": np.complex128}])
def test_slices_are_those_that_hdf5_gives(tmp_path, options):
    draw = np.random.default_rng(0)
    values = (draw.standard_normal((3, 2, 8, 9)) + 1j * draw.standard_normal((3, 2, 8, 9))).astype(np.complex64)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", userblock_size=512 if "dtype" in options else 0) as file:
        file.create_dataset("other", data=np.arange(7))
        file.create_dataset("kspace", data=values, **options)
    with open_hdf5(path) as file:
        found = [part.copy() for part in slices_of(path, file["kspace"])]
    assert np.array_equal(np.stack(found), values)
