"""Example slices come out of their file as they went in, also out of files of older trials and boards."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from records.examples import CG_SENSE, NETWORK, ORDER, TARGET, ZERO_FILLED, Example, read_examples, write_examples
from registries import RequestError

PUBLISHED = Path(__file__).resolve().parents[2] / "leaderboards" / "published"


def images(*names, shape=(9, 12)):
    draw = np.random.default_rng(len(names))
    return {name: draw.random(shape, np.float32) for name in names}


def assert_same(found, expected):
    assert list(found.images) == list(expected.images)
    for name, image in expected.images.items():
        np.testing.assert_array_equal(found.images[name], image)
    assert (found.place, found.scores, found.region, found.finding) == (
        expected.place,
        expected.scores,
        expected.region,
        expected.finding,
    )


def test_examples_come_out_as_they_went_in(tmp_path):
    scores = {name: {"psnr": 31.25, "ssim": 0.9} for name in ORDER[1:]}
    examples = {
        "knee": Example(images(*ORDER), "knee · a.h5 · slice 7 · 4×", scores, (1, 2, 3, 4), "Meniscus Tear"),
        "brain": Example(images(NETWORK, CG_SENSE), "brain · β.h5 · slice 0 · 8×"),
    }
    for number in (1, 2):
        write_examples(tmp_path / f"{number}.safetensors", examples)
    found = read_examples(tmp_path / "1.safetensors")
    assert list(found) == ["knee", "brain"]
    for split, example in examples.items():
        assert_same(found[split], example)
    assert (tmp_path / "1.safetensors").read_bytes() == (tmp_path / "2.safetensors").read_bytes()
    assert "knee.network" in safetensors.numpy.load_file(tmp_path / "1.safetensors")


def test_a_file_of_an_older_trial_is_read(tmp_path):
    kinds = images("network", "zero-filled", "target")
    stored = {f"{split}.{kind}": image for split in ("knee", "brain") for kind, image in kinds.items()}
    safetensors.numpy.save_file(stored, tmp_path / "old.safetensors")
    found = read_examples(tmp_path / "old.safetensors")
    assert set(found) == {"knee", "brain"}
    assert list(found["knee"].images) == [TARGET, ZERO_FILLED, NETWORK]
    np.testing.assert_array_equal(found["knee"].images[NETWORK], kinds["network"])
    assert (found["knee"].place, found["knee"].scores, found["knee"].region) == ("knee", {}, None)


def test_the_files_of_published_boards_are_read():
    files = sorted(PUBLISHED.glob("*/examples/*.safetensors"))
    assert files
    for path in files:
        assert all({TARGET, NETWORK} <= set(example.images) for example in read_examples(path).values())


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense",
        safetensors.numpy.save({"knee.sketch": np.zeros((3, 3), np.float32)}),
        safetensors.numpy.save({"knee.target": np.zeros((3, 3), np.float32)}, {"examples": "[1]"}),
        safetensors.numpy.save({"knee.target": np.zeros((3, 3), np.float32)}, {"examples": '{"knee": {}}'}),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(RequestError, match=r"x\.safetensors: is not a valid file of example images") as caught:
        read_examples(tmp_path / "x.safetensors")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"images": {}}, "of one shape"),
        ({"images": images("a", shape=(3, 4)) | images("b", shape=(4, 3))}, "of one shape"),
        ({"images": {"a": np.full((3, 3), np.nan, np.float32)}}, "finite"),
        ({"region": (0, 0, 10, 5)}, "does not lie within 9 × 12 pixels"),
        ({"region": (-1, 0, 5, 5)}, "does not lie within"),
        ({"region": (0, 8, 5, 5)}, "does not lie within"),
    ],
)
def test_what_could_not_be_drawn_is_no_example(values, message):
    with pytest.raises(ValueError, match=message):
        Example(**{"images": images("a"), "place": "somewhere", **values})
