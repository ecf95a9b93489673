"""Damaged files end in one line that names them, never in another exception."""

import random

import pytest

from datasets.annotations import read_annotations
from datasets.errors import DataError
from datasets.slices import read_slices
from datasets.volumes import inspect_volume
from tests.datasets.volumes import write_volume

ROUNDS = 150


def damaged(content, draw):
    """Bytes flipped, cut off, or cut out."""
    data = bytearray(content)
    kind = draw.randrange(3)
    if kind == 0:
        for _ in range(draw.randrange(1, 30)):
            data[draw.randrange(min(len(data), 4096))] = draw.randrange(256)
    elif kind == 1:
        del data[draw.randrange(len(data)) :]
    else:
        start = draw.randrange(len(data))
        del data[start : start + draw.randrange(1, 200)]
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_volumes(tmp_path, seed):
    draw = random.Random(seed)
    path = write_volume(tmp_path / "a.h5")
    whole = path.read_bytes()
    refusals = []
    for _ in range(ROUNDS):
        path.write_bytes(damaged(whole, draw))
        try:
            read_slices(inspect_volume(path, "knee/multicoil_train/a.h5"), [0])
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > ROUNDS / 4
    assert all("a.h5" in text and "\n" not in text for text in refusals)


def test_a_quote_that_swallows_a_large_table(tmp_path):
    """Python's csv gives up on fields above 128 KiB."""
    rows = "a0,1,No,10,20,5,6,Mass\n" * 8000
    (tmp_path / "knee.csv").write_text('"file,slice,study_level,x,y,width,height,label\n' + rows)
    with pytest.raises(DataError, match=r"knee\.csv"):
        read_annotations(tmp_path)


@pytest.mark.parametrize("name", ["knee.csv", "knee_file_list.csv"])
def test_damaged_tables(tmp_path, name):
    draw = random.Random(0)
    rows = "".join(f"a{i},{i},No,10,20,5,6,Mass\n" for i in range(20))
    (tmp_path / "knee.csv").write_text("file,slice,study_level,x,y,width,height,label\n" + rows)
    (tmp_path / "knee_file_list.csv").write_text("a0\na1\n")
    whole = (tmp_path / name).read_bytes()
    refusals = []
    for _ in range(ROUNDS):
        (tmp_path / name).write_bytes(damaged(whole, draw))
        try:
            read_annotations(tmp_path)
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > ROUNDS / 10
    assert all(name in text and "\n" not in text for text in refusals)
