"""Training losses: formulas, weights handed over, complex images."""

import pytest
import torch
from torch.nn import functional

from bench.stages.losses import TrainingLoss
from bench.tracks.settings import LOSSES
from bench.trials.request import Request, resolve
from bench.trials.run import run
from datasets.coil_maps import inverse_fft
from datasets.samples import crop_to_target, mean_psnr
from datasets.slices import read_slices
from registries import RequestError
from tests.bench.toy import toy_plan


def batch_of(tmp_path, loss, arch="modl"):
    workspace = toy_plan(tmp_path, arch=arch, pruner="dense", settings=(f"train.loss={loss}",)).workspace
    return workspace.initial_model(), workspace.data.batch(0), workspace


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("arch", ["modl", "unrolled-unet"])
def test_weights_handed_over_take_the_place_of_the_networks_own(tmp_path, loss, arch):
    model, samples, _ = batch_of(tmp_path, loss, arch)
    measure = TrainingLoss(loss)
    plain = measure(model, samples)
    own = {name: part.weight.detach().clone().requires_grad_() for name, part in model.prunable().items()}
    assert measure(model, samples, own).item() == pytest.approx(plain.item(), rel=1e-6)
    halved = {name: 0.5 * weight for name, weight in own.items()}
    found = measure(model, samples, halved)
    assert found.item() != pytest.approx(plain.item(), rel=1e-6)
    gradients = torch.autograd.grad(found, list(own.values()))
    assert all(bool(gradient.any()) for gradient in gradients)


def test_the_pointwise_losses_are_those_of_the_magnitude(tmp_path):
    model, samples, _ = batch_of(tmp_path, "l1")
    model.requires_grad_(False)
    image, target = crop_to_target(model(samples.kspace, samples.mask, samples.maps), samples.target)
    assert TrainingLoss("l1")(model, samples).item() == pytest.approx(float((image - target).abs().mean()))
    assert TrainingLoss("mse")(model, samples).item() == pytest.approx(float(functional.mse_loss(image, target)))
    assert samples.combined.shape == (1, 0, 0)  # nobody asked for it


def test_the_complex_loss_compares_with_the_combination_of_the_full_data(tmp_path):
    """By hand, from the file: Σ conj(S) F⁻¹ y, through the maps of the sample."""
    model, samples, workspace = batch_of(tmp_path, "complex-mse")
    index = workspace.data._order("training", 0)[0][0]
    volume, slice_ = workspace.data._slices[index]
    kspace, _ = read_slices(volume, [slice_])
    full = torch.view_as_complex(torch.view_as_real(inverse_fft(torch.from_numpy(kspace))))
    rows = samples.kspace.shape[-2]
    first = (full.shape[-2] - rows) // 2
    expected = (samples.maps.conj() * full[..., first : first + rows, :]).sum(1) / samples.scale
    torch.testing.assert_close(samples.combined, expected, rtol=1e-4, atol=1e-5)
    model.requires_grad_(False)
    image = model.complex_image(samples.kspace, samples.mask, samples.maps)
    error = (image - samples.combined).abs().square().mean()
    assert TrainingLoss("complex-mse")(model, samples).item() == pytest.approx(float(error), rel=1e-5)
    torch.testing.assert_close(image.abs(), model(samples.kspace, samples.mask, samples.maps))


def test_the_complex_loss_sees_the_phase_and_its_psnr_does_not(tmp_path):
    _, samples, _ = batch_of(tmp_path, "complex-mse")
    measure = TrainingLoss("complex-mse")
    assert float(measure.of(samples.combined, samples)) == 0
    turned = samples.combined * complex(0.6, 0.8)
    assert float(measure.of(turned, samples)) > 1e-3
    assert mean_psnr(turned, samples) == pytest.approx(mean_psnr(samples.combined, samples), abs=1e-4)


@pytest.mark.parametrize(("pruner", "timing"), [("pun", "at-init"), ("grasp", "while")])
def test_a_network_is_trained_and_pruned_on_complex_images(tmp_path, pruner, timing):
    settings = ("train.loss=complex-mse", *(("pruner.batches=1",) if pruner == "grasp" else ()))
    planned = toy_plan(tmp_path, pruner=pruner, timing=timing, settings=settings)
    record = run(planned, False, lambda line: None)
    assert record.ok, record.reason
    plain = toy_plan(tmp_path, pruner=pruner, timing=timing, settings=settings[1:])
    assert planned.workspace.step_macs == plain.workspace.step_macs > 0
    estimates = [planned.estimator.estimate(stage).relative for stage in planned.resolved.stages]
    assert record.to_json()["cost"]["relative"] * 12 == pytest.approx(sum(estimates), rel=0.02)


def test_a_network_without_complex_image_is_refused():
    with pytest.raises(
        RequestError, match=r"loss complex-mse: 'e2e-varnet' gives no complex image; use train\.loss of ssim"
    ):
        resolve(Request(arch="e2e-varnet", pruner="dense", size="toy", settings=("train.loss=complex-mse",)))
