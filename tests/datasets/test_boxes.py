import numpy as np
import pytest

from datasets.annotations import Annotation
from datasets.boxes import MARGIN, SHAMS, Box, boxes_in, sham_boxes


def row(slice_=0, x=3, y=2, width=4, height=5, study=False, label="Mass"):
    return Annotation("a", slice_, study, x, y, width, height, label, 2)


def test_boxes_are_flipped_and_follow_the_crop():
    (box,) = boxes_in([row(slice_=7)], [5, 7], (20, 16), (20, 16))
    assert (box.plane, box.top, box.bottom, box.left, box.right) == (1, 13, 18, 3, 7)
    (box,) = boxes_in([row(slice_=7)], [5, 7], (20, 16), (16, 12))
    assert (box.top, box.bottom, box.left, box.right) == (11, 16, 1, 5)


def test_what_is_no_box_is_left_out():
    rows = [
        row(study=True),
        row(height=0),
        row(slice_=9),
        row(x=40),
        row(label="Normal variant"),
        row(label="artifact"),
    ]
    assert boxes_in(rows, [0], (20, 16), (20, 16)) == ()


def test_a_negative_corner_is_cut_off():
    (box,) = boxes_in([row(x=-1, y=-1)], [0], (20, 16), (20, 16))
    assert (box.top, box.bottom, box.left, box.right) == (16, 20, 0, 3)


def two_tissues():
    image = np.full((1, 60, 90), 1.0, np.float32)
    image[:, :, 30:] = 5.0
    return image


@pytest.mark.parametrize("left", [6, 62])
def test_shams_lie_in_the_same_tissue_apart_from_every_box_and_each_other(left):
    image = two_tissues()
    boxes = (Box(0, 10, 16, left, left + 7), Box(0, 30, 34, left, left + 4), Box(0, 44, 48, left, left + 4))
    groups = sham_boxes(image, boxes)
    assert [len(group) for group in groups] == 3 * [SHAMS]
    covered = np.zeros((60, 90), int)
    for group, box in zip(groups, boxes, strict=True):
        for sham in group:
            covered[sham.inside[1:]] += 1
            assert sham.shape == box.shape
            assert sham.plane == box.plane
            assert image[sham.inside].mean() == image[box.inside].mean()
            assert 0 <= sham.top - MARGIN < sham.bottom + MARGIN <= 60
            assert 0 <= sham.left - MARGIN < sham.right + MARGIN <= 90
            for other in boxes:
                apart_rows = sham.top >= other.bottom + MARGIN or sham.bottom + MARGIN <= other.top
                apart_columns = sham.left >= other.right + MARGIN or sham.right + MARGIN <= other.left
                assert apart_rows or apart_columns
    assert covered.max() == 1


def test_where_nothing_is_similar_there_is_no_sham():
    image = two_tissues()
    image[0, 20:40, 20:40] = 20.0
    assert sham_boxes(image, [Box(0, 26, 32, 26, 32)]) == ((),)


def test_the_best_sham_is_the_place_with_the_most_similar_surround():
    """Against a plain search over all places."""
    draw = np.random.default_rng(0)
    image = draw.random((1, 26, 24), np.float32)
    box = Box(0, 6, 10, 6, 9)
    own = box.surround(image)
    costs: dict[tuple[int, int], float] = {}
    for top in range(MARGIN, 26 - 4 - MARGIN + 1):
        for left in range(MARGIN, 24 - 3 - MARGIN + 1):
            close = top < box.bottom + 2 * MARGIN and top + 4 + 2 * MARGIN > box.top
            close &= left < box.right + 2 * MARGIN and left + 3 + 2 * MARGIN > box.left
            if not close:
                ring = Box(0, top, top + 4, left, left + 3).surround(image)
                costs[top, left] = abs(ring.mean() - own.mean()) + abs(ring.std() - own.std())
    best = min(costs, key=lambda place: costs[place])
    found = sham_boxes(image, [box])[0][0]
    assert (found.top, found.left) == best


def test_a_box_as_large_as_the_image_has_no_sham():
    assert sham_boxes(two_tissues(), [Box(0, 0, 60, 0, 90)]) == ((),)
    assert sham_boxes(two_tissues(), [Box(0, 2, 58, 2, 88)]) == ((),)
