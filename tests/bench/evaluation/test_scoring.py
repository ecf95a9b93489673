"""Scores equal fastMRI's own evaluation of the same images, and the published zero-filled figures."""

from dataclasses import replace
from itertools import islice
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from fastmri import evaluate
from fastmri.data.transforms import center_crop

from bench.evaluation.baselines import (
    CGSense,
    cg_sense_images,
    empty_network,
    oracle_image,
    tune_cg_sense,
    zero_filled_image,
)
from bench.evaluation.metrics import metrics, volume_metrics
from bench.evaluation.scoring import (
    Metrics,
    Scores,
    choose_slices,
    choose_volumes,
    reconstruct_volume,
    score,
    slices_of,
    summarise,
)
from bench.machine.macs import forward_macs
from bench.tracks.settings import EvaluationSettings
from datasets.annotations import Annotation
from datasets.simulated import Simulation, simulate
from pruners import Mask
from tests.bench.toy import toy_plan

REAL_FIGURES = {
    "knee_3dfse_b.h5": {"nmse": 0.05071, "psnr": 31.283, "ssim": 0.8059},
    "brain_t2_4coil.h5": {"nmse": 0.08123, "psnr": 24.508, "ssim": 0.6923},
}
DIGITS = {"nmse": 5, "psnr": 3, "ssim": 4}


@pytest.fixture(scope="module")
def planned(tmp_path_factory, cache_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        return toy_plan(tmp_path_factory.mktemp("out"))


def test_metrics_equal_fastmris(planned):
    found = score({"zero-filled": zero_filled_image}, planned.test)["zero-filled"]
    for volume in planned.test.volumes:
        truth, images = reconstruct_volume({"zero-filled": zero_filled_image}, volume, planned.test)
        image = images["zero-filled"]
        width = truth.shape[-1]
        truth, image = center_crop(truth, (width, width)), center_crop(image, (width, width))
        assert found[volume.name]["psnr"] == pytest.approx(float(evaluate.psnr(truth, image)), abs=1e-9)
        assert found[volume.name]["ssim"] == pytest.approx(float(evaluate.ssim(truth, image)[0]), abs=1e-9)
        assert found[volume.name]["nmse"] == pytest.approx(float(evaluate.nmse(truth, image)), abs=1e-9)


def test_images_come_back_in_the_files_units(planned):
    full = {"fully sampled": zero_filled_image}
    truth, images = reconstruct_volume({}, planned.test.volumes[0], planned.test, oracles=full)
    assert np.allclose(truth, images["fully sampled"], rtol=1e-2, atol=1e-3 * truth.max())


@pytest.mark.parametrize("noise", [None, 20.0])
def test_a_volume_is_the_same_however_many_slices_are_read_at_once(planned, tmp_path, monkeypatch, noise):
    simulate(tmp_path, Simulation(2, 1, 0, 0, slices=5, matrix=32, coils=3, seed=1))
    test = toy_plan(tmp_path / "out", data=str(tmp_path)).test
    volume = test.volumes[0]
    test = replace(test, preparation=replace(test.preparation, added_noise_snr=noise), slices={volume.name: range(5)})
    found = []
    for size in (1, 2, 5):
        monkeypatch.setattr("bench.evaluation.scoring.SLICES_AT_ONCE", size)
        assert [len(few.target) for few in slices_of(volume, test)] == [size] * (5 // size) + [1] * (5 % size)
        oracles = {"oracle": zero_filled_image}
        found.append(reconstruct_volume({"zero-filled": zero_filled_image}, volume, test, oracles))
    for truth, images in found[1:]:
        assert np.array_equal(truth, found[0][0])
        assert all(np.array_equal(image, found[0][1][name]) for name, image in images.items())
    with h5py.File(volume.path) as file:
        assert np.array_equal(found[0][0], file["reconstruction_rss"][:])


def test_tall_targets_are_cropped_to_squares():
    draw = np.random.default_rng(0)
    target, image = draw.random((2, 20, 12), np.float32), draw.random((2, 20, 12), np.float32)
    assert volume_metrics(target, image) == volume_metrics(target[:, 4:16], image[:, 4:16])


def test_zero_filled_figures_of_the_real_volumes(real_kspace, tmp_path):
    planned = toy_plan(tmp_path, data=str(real_kspace))
    found: dict[str, Any] = score({"zero-filled": zero_filled_image}, planned.test)["zero-filled"]
    for volume in planned.test.volumes:
        expected = REAL_FIGURES[volume.file_name]
        rounded = {name: round(found[volume.name][name], digits) for name, digits in DIGITS.items()}
        assert rounded == expected
        with h5py.File(volume.path) as file:
            assert volume.maximum == file.attrs["max"]


def test_baselines_are_ordered_as_they_should_be(planned):
    device = planned.workspace.device
    tuned = tune_cg_sense(planned.data.training.training, planned.test.preparation, device)
    scores = score({"zero": zero_filled_image, "cg": tuned}, planned.test, oracles={"oracle": oracle_image})
    means = {name: np.mean([values["psnr"] for values in found.values()]) for name, found in scores.items()}
    assert means["zero"] < means["cg"] < means["oracle"]


def test_tuning_takes_the_best_candidate_on_training_slices(planned, monkeypatch):
    monkeypatch.setattr("bench.evaluation.baselines.LAMBDAS", (1e-3, 1e6))
    tuned = tune_cg_sense(planned.data.training.training, planned.test.preparation, planned.workspace.device)
    assert tuned.weight == 1e-3
    with torch.no_grad():
        samples = planned.workspace.data.batch(0)
        images = list(islice(cg_sense_images(samples, tuned.weight), 8))
        assert torch.equal(CGSense(tuned.weight, 8)(samples), images[7])


def test_empty_network_ignores_its_weights(planned):
    samples = next(slices_of(planned.test.volumes[0], planned.test)).samples
    first, second = planned.workspace.initial_model(), planned.workspace.initial_model()
    with torch.no_grad():
        for part in second.prunable().values():
            part.weight.mul_(3)
        images = [empty_network(model)(samples) for model in (first, second)]
        assert torch.equal(*images)
        assert not torch.equal(images[0], planned.workspace.initial_model()(samples.kspace, samples.mask, samples.maps))


def test_values_that_are_not_finite_are_an_error(planned):
    with pytest.raises(ArithmeticError, match=r"broken of .* is not finite"):
        score({"broken": lambda samples: zero_filled_image(samples) * float("nan")}, planned.test)


def test_summaries_by_split_and_anatomy(planned):
    volumes = planned.test.volumes
    plain = dict.fromkeys(metrics.names(), 0.0)
    scores: Scores = {v.name: {**plain, "psnr": float(i)} for i, v in enumerate(volumes)}
    found = summarise(scores, {"both": volumes, "knee": tuple(v for v in volumes if v.anatomy == "knee")})
    assert set(found) == {"both", "both (knee)", "both (brain)", "knee"}
    assert found["both"]["psnr"] == np.mean(range(len(volumes)))
    assert found["knee"] == found["both (knee)"]


def test_slices_with_boxes_come_first_then_central_ones(planned):
    volume = replace(planned.test.volumes[0], slices=9)
    rows = [
        Annotation("a", s, study, 1, 1, 2, height, "x", 2)
        for s, study, height in [(7, False, 3), (1, False, 3), (0, True, 3), (2, False, 0)]
    ]
    assert choose_slices(volume, rows, 3) == (1, 4, 7)
    assert choose_slices(volume, rows, 1) == (1,)
    assert choose_slices(volume, [], 3) == (3, 4, 5)
    assert choose_slices(volume, [], 0) == tuple(range(9))


def test_figures_inside_boxes_are_summed_up_where_every_volume_is_annotated(planned):
    found = score({"zero": zero_filled_image}, planned.test)["zero"]
    marked = planned.test.splits["fastmri-plus"]
    assert all(found[v.name]["boxes"] > 0 for v in marked)
    assert {v.name for v in planned.test.volumes if "boxes" in found[v.name]} == set(planned.test.annotations)
    volumes = planned.test.volumes[:3]
    plain: Metrics = dict.fromkeys(metrics.names(), 0.0)
    values = zip(volumes, [(2, 0.5), (1, None), (4, 0.7)], strict=True)
    scores = {v.name: {**plain, "boxes": boxes, "lesion_ssim": ssim} for v, (boxes, ssim) in values}
    means = summarise(scores, {"all": volumes})["all"]
    assert means["boxes"] == 7
    assert means["lesion_ssim"] == pytest.approx(0.6)
    scores[volumes[0].name] = plain
    assert "boxes" not in summarise(scores, {"all": volumes})["all"]


def test_a_limited_choice_of_volumes_is_fixed(planned):
    settings = EvaluationSettings(("knee",), volumes=1)
    assert choose_volumes(planned.test.volumes, settings) == choose_volumes(planned.test.volumes[::-1], settings)
    assert len(choose_volumes(planned.test.volumes, EvaluationSettings(("knee",)))) == len(planned.test.volumes)


def test_forward_macs_are_those_of_a_hand_count(planned):
    model = planned.workspace.initial_model()
    volume = planned.test.volumes[0]
    samples = next(slices_of(volume, planned.test.only(volume, 0))).samples
    _, coils, height, width = samples.kspace.shape
    weights = {name: part.weight for name, part in model.prunable().items()}
    half = Mask.from_scores({n: w.detach() for n, w in weights.items()}, sum(w.numel() for w in weights.values()) // 2)
    found = forward_macs(model, half, (samples.kspace, samples.mask, samples.maps))
    assert found["dense"] == model.unrolls * sum(w.numel() for w in weights.values()) * height * width
    assert found["kept"] == model.unrolls * half.kept * height * width
    applications = model.unrolls * (model.iterations + 1)
    one_dimensional = 2.5 * 2 * coils * height * width * np.log2(width)  # there and back along the phase encoding
    assert found["fft_cg"] > applications * one_dimensional
    assert found["fft_cg"] < 3 * applications * one_dimensional
