"""Slices are the same whether HDF5 reads them or nobody but us."""

import gc
import os
import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from datasets import slices
from datasets.errors import DataError
from datasets.slices import read_slices
from datasets.volumes import inspect_volume
from tests.datasets.volumes import write_volume

LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunked": {"chunks": True},
    "compressed": {"chunks": True, "compression": "gzip"},
    "big-endian": {"dtype": {"kspace": ">c8", "reconstruction_rss": ">f4"}},
    "double": {"dtype": {"kspace": "<c16", "reconstruction_rss": "<f8"}},
}


@pytest.fixture
def file(tmp_path):
    yield write_volume(tmp_path / "knee" / "multicoil_val" / "a.h5")
    slices._plain_file.cache_clear()


def open_files():
    return len([*Path("/proc/self/fd").iterdir()])


def inspected(file):
    return inspect_volume(file, f"knee/multicoil_val/{file.name}")


@pytest.mark.parametrize("userblock", [0, 512])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_values(file, layout, userblock, tmp_path):
    written = tmp_path / "knee" / "multicoil_val" / "b.h5"
    with h5py.File(file) as source, h5py.File(written, "w", userblock_size=userblock) as copy:
        copy.attrs.update(source.attrs)
        for key, data in source.items():
            options = dict(LAYOUTS[layout]) if data.ndim else {}
            dtype = options.pop("dtype", {}).get(key, data.dtype)
            copy.create_dataset(key, data=data[()], dtype=dtype, **options)
        expected = source["kspace"][()], source["reconstruction_rss"][()]
    volume = inspected(written)
    kspace, target = read_slices(volume, [1, 0])
    np.testing.assert_array_equal(kspace, expected[0][[1, 0]])
    np.testing.assert_array_equal(target, expected[1][[1, 0]])
    assert kspace.dtype == np.complex64
    assert target.dtype == np.float32
    plain = slices._plain_file(volume.path, volume.size, volume.mtime_ns)
    assert (plain is not None) == (layout == "contiguous")


def test_a_file_that_changed_is_refused_though_it_is_open(file):
    volume = inspected(file)
    read_slices(volume, [0])
    with h5py.File(file, "r+") as changed:
        changed["kspace"][0] = 0
    os.utime(file, ns=(0, volume.mtime_ns + 1))
    with pytest.raises(DataError, match="changed since the manifest was made"):
        read_slices(volume, [0])


def test_a_file_that_is_shorter_than_it_said_ends_in_one_line(file):
    volume = inspected(file)
    read_slices(volume, [0])
    os.truncate(file, volume.size // 4)
    os.utime(file, ns=(0, volume.mtime_ns))
    unnoticed = type(volume)(**{**vars(volume), "size": volume.size // 4})
    with pytest.raises(DataError, match="cannot be read as HDF5"):
        read_slices(unnoticed, [0, 1])


def test_few_files_stay_open_and_are_closed_when_nobody_reads_them(tmp_path, monkeypatch):
    slices._plain_file.cache_clear()
    gc.collect()
    folder = tmp_path / "knee" / "multicoil_val"
    volumes = [inspected(write_volume(folder / f"{number}.h5")) for number in range(slices.OPEN_FILES + 8)]
    before = open_files()
    for volume in volumes:
        read_slices(volume, [0])
    assert open_files() <= before + slices.OPEN_FILES
    slices._plain_file.cache_clear()
    gc.collect()
    assert open_files() == before


def test_threads_may_read_at_once_while_files_are_dropped(tmp_path, monkeypatch):
    folder = tmp_path / "knee" / "multicoil_val"
    volumes = [inspected(write_volume(folder / f"{number}.h5")) for number in range(slices.OPEN_FILES + 4)]
    expected = [read_slices(volume, [0])[0] for volume in volumes]
    wrong = []

    def read(start):
        for turn in range(2 * len(volumes)):
            index = (start + turn) % len(volumes)
            if not np.array_equal(read_slices(volumes[index], [0])[0], expected[index]):
                wrong.append(index)

    readers = [threading.Thread(target=read, args=(start * 17,)) for start in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert not wrong
