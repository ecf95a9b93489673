"""What is enlarged lies in the image and shows something."""

import numpy as np
import pytest

from records.regions import detailed_region, region_around

SHAPES = [(7, 7), (1, 40), (40, 1), (32, 24), (57, 97), (101, 31), (320, 320), (640, 203)]


def inside(region, shape):
    top, left, height, width = region
    return min(top, left) >= 0 and min(height, width) > 0 and top + height <= shape[0] and left + width <= shape[1]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["noise", "empty", "corner"])
def test_a_region_lies_in_the_image_whatever_that_is(shape, kind):
    image = np.random.default_rng(0).random(shape) if kind == "noise" else np.zeros(shape)
    if kind == "corner":
        image[-1, -1] = 1
    assert inside(detailed_region(image), shape)


def test_the_part_with_most_structure_is_enlarged_and_not_the_outline():
    image = np.zeros((100, 100))
    image[10:90, 10:90] = 1
    image[10:14, 10:90] = 9  # the strongest edges are those of the outline
    image[40:50, 60:70:2] = 1.3
    top, left, height, width = detailed_region(image)
    assert top <= 40
    assert top + height >= 50
    assert left <= 61
    assert left + width >= 69


@pytest.mark.parametrize("shape", SHAPES)
def test_a_box_lies_in_the_region_around_it(shape):
    for box in ((0, 0, 1, 1), (shape[0] - 1, shape[1] - 1, 1, 1), (shape[0] // 3, 0, 1, shape[1]), (0, 0, *shape)):
        region = region_around(box, np.zeros(shape))
        assert inside(region, shape)
        for start, length, first, size in zip(box[:2], box[2:], region[:2], region[2:], strict=True):
            assert first <= start
            assert start + length <= first + size


def test_a_small_box_is_shown_with_what_is_around_it():
    assert region_around((50, 50, 4, 4), np.zeros((96, 96))) == (40, 34, 24, 36)
