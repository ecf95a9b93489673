"""What each figure beside fastMRI's own sees, and what it does not."""

import numpy as np
import pytest
from scipy import ndimage

from bench.evaluation.lesions import lesion_metrics
from bench.evaluation.metrics import metrics, volume_metrics
from bench.evaluation.metrics.volume import foreground, least_squares_scale
from datasets.boxes import Box


@pytest.fixture
def target():
    image = np.zeros((2, 48, 48), np.float32)
    image[:, 8:40, 10:38] = 1 + 0.3 * np.random.default_rng(0).random((2, 32, 28), np.float32)
    image[:, 20:24, 20:24] = 0.0  # a hole belongs to the object
    return image


def test_a_perfect_image_scores_perfectly(target):
    found = volume_metrics(target, target + 1e-6)
    assert set(found) == set(metrics.names())
    assert found["psnr"] > 100
    assert found["ssim"] == pytest.approx(1)
    assert found["nmse"] == pytest.approx(0, abs=1e-9)
    assert found["hfen"] == pytest.approx(0, abs=1e-5)


def test_foreground_is_the_object_with_its_holes(target):
    inside = foreground(target)
    assert inside[:, 10:38, 12:36].all()
    assert not inside[:, :4].any()
    assert not inside[:, :, 44:].any()


def test_foreground_figures_ignore_the_background(target):
    noise = np.random.default_rng(1).normal(0, 0.2, target.shape).astype(np.float32)
    outside = np.where(foreground(target), 0, noise)
    clean, spoiled = volume_metrics(target, target + 0.01), volume_metrics(target, target + 0.01 + outside)
    assert spoiled["psnr"] < clean["psnr"] - 3
    assert spoiled["psnr_foreground"] == pytest.approx(clean["psnr_foreground"])
    assert spoiled["nmse_foreground"] == pytest.approx(clean["nmse_foreground"])


def test_scaled_psnr_forgives_brightness_alone(target):
    brightness, shape = 0.8 * target, np.roll(target, 1, axis=2)
    assert least_squares_scale(target, brightness) == pytest.approx(1.25)
    assert volume_metrics(target, brightness)["psnr_scaled"] > 100
    assert volume_metrics(target, shape)["psnr_scaled"] < 30
    assert least_squares_scale(target, 0 * target) == 1


def test_high_frequency_error_sees_blur_more_than_a_smooth_error_of_equal_nmse(target):
    blurred = np.stack([ndimage.gaussian_filter(plane, 1.0) for plane in target])
    error = np.linalg.norm(blurred - target)
    waves = np.broadcast_to(np.sin(np.linspace(0, np.pi, 48, dtype=np.float32)), target.shape)
    smooth = target + waves * (error / np.linalg.norm(waves))
    figures = [volume_metrics(target, image) for image in (blurred, smooth)]
    assert figures[0]["nmse"] == pytest.approx(figures[1]["nmse"], rel=1e-4)
    assert figures[0]["hfen"] > 5 * figures[1]["hfen"]


def test_high_frequency_error_is_that_of_its_formula(target):
    image = np.roll(target, 1, axis=1)
    parts = [ndimage.gaussian_laplace(plane, 1.5) for plane in (*(image - target), *target)]
    expected = np.linalg.norm(parts[:2]) / np.linalg.norm(parts[2:])
    assert volume_metrics(target, image)["hfen"] == pytest.approx(expected)


def test_a_lesion_that_vanishes_is_seen_in_its_box_and_not_in_the_shams():
    draw = np.random.default_rng(0)
    truth = 1 + 0.02 * draw.random((1, 64, 64), np.float32)
    image = truth.copy()
    truth[0, 30:36, 30:36] += 1
    found = lesion_metrics(truth, image, [Box(0, 29, 37, 29, 37, "Mass")])
    assert (found["boxes"], found["compared"], found["shams"]) == (1, 1, 3)
    assert found["lesion_nmse"] > 0.1
    assert found["sham_nmse"] == 0
    assert found["lesion_ssim"] < 0.5 < found["sham_ssim"]
    assert found["lesion_contrast_error"] == pytest.approx(36 / 64 / truth[0, :20].mean(), rel=0.05)
    assert found["sham_contrast_error"] == 0


def test_only_boxes_with_shams_are_compared():
    truth = 1 + 0.02 * np.random.default_rng(0).random((2, 64, 64), np.float32)
    image = truth.copy()
    image[1] += 1
    small, whole = Box(0, 30, 36, 30, 36, "Mass"), Box(1, 0, 64, 0, 64, "Mass")
    found = lesion_metrics(truth, image, [small, whole])
    assert (found["boxes"], found["compared"]) == (2, 1)
    assert found["lesion_nmse"] == found["sham_nmse"] == 0


def test_no_box_no_figure(target):
    found = lesion_metrics(target, target, [])
    assert found == {
        "boxes": 0,
        "compared": 0,
        "shams": 0,
        **{f"{kind}_{m}": None for kind in ("lesion", "sham") for m in ("ssim", "nmse", "contrast_error")},
    }
