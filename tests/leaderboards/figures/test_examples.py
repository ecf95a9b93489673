"""Rows side by side on a board: all of them, in order, and never two slices beside each other."""

import numpy as np
import pytest

from leaderboards.figures.examples import examples_of, reconstructions
from records.examples import CG_SENSE, DENSE, NETWORK, TARGET, ZERO_FILLED, Example, write_examples

ROWS = ("modl/dense", "modl/snip/at-init/0.9", "modl-unet/dense", "unrolled-unet/pun/at-init/0.97")


def old(seed=0, network=1.0):
    target = np.random.default_rng(seed).random((12, 14), np.float32)
    return Example({TARGET: target, ZERO_FILLED: target / np.float32(2), NETWORK: target * np.float32(network)}, "knee")


def new(seed=0):
    images = old(seed).images
    target = images[TARGET]
    images = {**images, CG_SENSE: target / 4, DENSE: target / 8, NETWORK: target / 16}
    scores = {name: {"psnr": 20.0 + place, "ssim": 0.5} for place, name in enumerate(images) if name != TARGET}
    return Example(images, "knee · a.h5 · slice 3 · 4×", scores, (0, 0, 6, 6), "Mass")


def texts(examples):
    figure = reconstructions({name: {"knee": example} for name, example in examples.items()}, "knee")
    return [text.get_text() for text in figure.texts]


def names_in(found):
    lines = "".join(found)
    return sorted((name for name in ROWS if name in lines), key=lines.index)


def test_rows_stand_in_the_order_given():
    for rows in (ROWS, ROWS[::-1]):
        found = texts({name: old() for name in rows})
        assert names_in(found) == list(rows)
        assert found.count(TARGET) == found.count(ZERO_FILLED) == 1
        assert NETWORK not in found


def test_rows_of_older_and_newer_files_share_what_they_have_in_common():
    found = texts({ROWS[0]: old(), ROWS[1]: new()})
    assert found.count(TARGET) == found.count(CG_SENSE) == 1
    assert DENSE not in found
    assert "knee · a.h5 · slice 3 · 4× · enlarged: Mass" in found
    assert sum(" dB / " in text for text in found) == 3  # zero-filled, CG-SENSE and the newer row


def test_targets_that_differ_by_rounding_are_one_slice_and_others_are_two():
    close = old(network=1.0)
    close = Example({**close.images, TARGET: close.images[TARGET] * np.float32(1 + 1e-6)}, "knee")
    assert texts({ROWS[0]: old(), ROWS[1]: close}).count(TARGET) == 1
    found = texts({ROWS[0]: old(), ROWS[1]: old(seed=1), ROWS[2]: old()})
    assert found.count(TARGET) == 2
    assert names_in(found) == [ROWS[0], ROWS[2], ROWS[1]]


def test_nothing_is_drawn_of_a_split_that_no_row_has(tmp_path):
    assert reconstructions({ROWS[0]: {"knee": old()}}, "brain") is None
    write_examples(tmp_path / "modl__dense.safetensors", {"knee": old()})
    assert list(examples_of(tmp_path)) == ["modl/dense"]


@pytest.mark.parametrize("rows", [1, 4])
def test_images_are_those_of_the_rows(rows):
    given = {name: {"knee": old(network=1 + place / 10)} for place, name in enumerate(ROWS[:rows])}
    figure = reconstructions(given, "knee")
    shown = [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]
    for found in given.values():
        assert any(np.array_equal(image, found["knee"].images[NETWORK]) for image in shown)
