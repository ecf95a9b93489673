"""What a reader of a picture relies on: no error above the colour bar, scores as text, nothing clipped, equal bytes."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from records.drawing import ERROR_COLOURS, ERROR_LABEL, bar_top, percent_error
from records.examples import NETWORK, ORDER, TARGET, Example
from records.pictures import FORMATS, comparison, save
from registries import RequestError

BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def example(names=ORDER, shape=(20, 24), noise=0.1, **values):
    draw = np.random.default_rng(3)
    target = np.hypot(*np.mgrid[: shape[0], : shape[1]]).astype(np.float32) + 1
    images = {name: target if name == TARGET else target + noise * draw.normal(size=shape) for name in names}
    scores = {name: {"psnr": 30 + place, "ssim": 0.9 + place / 100} for place, name in enumerate(names)}
    del scores[names[0]]
    values = {"place": "knee · a_file.h5 · slice 7 · 4×", "scores": scores if TARGET in names else {}, **values}
    return Example({name: image.astype(np.float32) for name, image in images.items()}, **values)


def texts(figure):
    return [text.get_text() for text in figure.texts]


def maps_of_errors(figure):
    return [image for axes in figure.axes for image in axes.images if image.get_cmap().name == ERROR_COLOURS]


@pytest.mark.parametrize("largest", [0, 1e-30, 0.3, 1, 9.99, 10, 10.01, 23.4, 50, 99.9, 100, 1000, 3.7e8])
def test_a_colour_bar_ends_at_the_next_round_number(largest):
    top = bar_top(largest)
    assert largest <= top
    assert top <= 1.6 * largest or largest == 0
    assert float(f"{top:.1e}") == pytest.approx(top)


@pytest.mark.parametrize("noise", [0, 1e-4, 0.1, 3, 500])
def test_no_error_is_above_the_one_colour_bar(noise):
    one = example(noise=noise)
    figure = comparison([one], "a row")
    *maps, bar = sorted(maps_of_errors(figure), key=lambda image: image.get_array().shape[0] == 1)
    assert len(maps) == len(ORDER) - 1
    assert texts(figure).count(ERROR_LABEL) == 1
    for image, name in zip(maps, ORDER[1:], strict=True):
        shown = np.asarray(image.get_array())
        np.testing.assert_array_equal(shown, percent_error(one.images[TARGET], one.images[name]))
        assert image.get_clim() == maps[0].get_clim()
        assert shown.max() <= image.get_clim()[1]
    assert bar.get_extent()[1] == maps[0].get_clim()[1]
    assert bar.axes.get_xticks()[-1] == maps[0].get_clim()[1]


def test_errors_are_percent_of_the_maximum():
    target = np.array([[1, 4]], np.float32)
    assert percent_error(target, np.array([[2, 2]], np.float32)).tolist() == [[25, 50]]
    assert percent_error(0 * target, 0 * target).tolist() == [[0, 0]]


def test_a_reader_finds_names_scores_and_the_finding():
    one = example(finding="Meniscus Tear", region=(2, 3, 8, 9))
    found = texts(comparison([one, example(place="brain")], "modl/snip/at-init/0.9"))
    for words in ("modl/snip/at-init/0.9", *ORDER, "31.00 dB / 0.9100", "34.00 dB / 0.9400", "brain"):
        assert words in found
    assert f"{one.place} · enlarged: Meniscus Tear" in found
    assert found.count("PSNR / SSIM of the slice") == 2


def test_the_enlarged_part_is_that_of_the_region():
    one = example(region=(2, 3, 8, 9))
    shown = [np.asarray(image.get_array()) for axes in comparison([one], "").axes for image in axes.images]
    enlarged = [image for image in shown if image.shape == (8, 9)]
    for image, name in zip(enlarged, ORDER, strict=True):
        np.testing.assert_array_equal(image, one.images[name][2:10, 3:12])


def test_without_a_target_there_are_neither_errors_nor_scores():
    figure = comparison([example(names=ORDER[1:])], "prospective")
    assert maps_of_errors(figure) == []
    assert ERROR_LABEL not in texts(figure)
    assert not any("dB" in text or "PSNR" in text for text in texts(figure))
    assert len(figure.axes) == 2 * (len(ORDER) - 1)


def test_all_images_of_a_row_share_one_scale_of_grey():
    figure = comparison([example(region=(0, 0, 4, 4))], "")
    grey = [image for axes in figure.axes for image in axes.images if image.get_cmap().name == "gray"]
    for shape in ((20, 24), (4, 4)):
        assert len({image.get_clim() for image in grey if image.get_array().shape == shape}) == 1


LONG = "modl-unet/iter-snip-channel/at-init/0.97+random-layerwise@pruner.batches=16,train.loss=ssim"


@pytest.mark.parametrize(
    "examples",
    [
        [example(names=(NETWORK,))],
        [example(names=(TARGET, NETWORK), shape=(7, 7))],
        [example(shape=(57, 97)), example(shape=(101, 31)), example(names=ORDER[1:], shape=(320, 203))],
        [example(shape=(20, 200), finding="Bone- Fracture/Contusion/dislocation " * 4)],
        [example(names=(*ORDER[:3], *(f"{number}{LONG}" for number in range(6))), place=LONG * 3)],
        [example(noise=1e7)],
    ],
    ids=["one column", "two", "odd sizes", "flat", "many rows of a board", "diverged"],
)
def test_no_text_is_clipped_or_lies_on_another(examples):
    figure = comparison(examples, LONG)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    boxes += [t.get_window_extent(renderer) for axes in figure.axes for t in axes.get_xticklabels()]
    width, height = figure.canvas.get_width_height()
    for place, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1
        assert not any(overlap(box, other) for other in boxes[:place])


def overlap(one, other):
    """By more than the white around letters."""
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide > 1 and high > 4


@pytest.mark.parametrize("kind", FORMATS)
def test_the_suffix_names_the_format_and_bytes_are_reproducible(tmp_path, kind):
    for name in ("one", "two"):
        save(comparison([example()], "a row"), tmp_path / f"{name}.{kind}")
    content = (tmp_path / f"one.{kind}").read_bytes()
    assert content.startswith(BEGINNINGS[kind])
    assert content == (tmp_path / f"two.{kind}").read_bytes()
    assert b"Date" not in content
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"one.{kind}", f"two.{kind}"]


@pytest.mark.parametrize("name", ["picture.jpeg", "picture", "picture.svg.gz"])
def test_another_suffix_ends_in_one_line(tmp_path, name):
    with pytest.raises(RequestError, match=r"cannot be written as a picture; .* \.png, \.svg, \.pdf") as caught:
        save(Figure(), tmp_path / name)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_names_hold_whatever_they_hold(tmp_path):
    save(comparison([example(place="$x_1$ · 膝.h5")], "a$b$"), tmp_path / "a.png")


def test_the_settings_of_a_user_change_nothing(tmp_path):
    save(comparison([example()], "a row"), tmp_path / "one.svg")
    with mpl.rc_context({"font.size": 30, "image.cmap": "jet", "savefig.bbox": "tight", "axes.facecolor": "red"}):
        save(comparison([example()], "a row"), tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
