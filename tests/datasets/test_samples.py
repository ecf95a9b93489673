"""Undersampling, coil maps and scaling, against fastMRI's own transform and against what may not leak."""

from dataclasses import replace

import fastmri
import numpy as np
import pytest
import torch
from fastmri.data.mri_data import SliceDataset
from fastmri.data.subsample import create_mask_for_mask_type
from fastmri.data.transforms import VarNetDataTransform

from datasets.cache import computed_folder
from datasets.coil_maps import CoilMaps, inverse_fft
from datasets.samples import (
    Preparation,
    crop_readout,
    crop_to_target,
    prepare,
    root_sum_of_squares,
    scale_of,
)
from datasets.slices import read_slices
from datasets.undersampling import Undersampling, seed_of_file, zero_filled
from datasets.volumes import inspect_volume


def check_against_transform(folder, acceleration=4):
    """Masked k-space and zero-filled image equal fastMRI's VarNetDataTransform, seeded by the file name."""
    mask_function = create_mask_for_mask_type("random", [0.32 / acceleration], [acceleration])
    reference = SliceDataset(folder, challenge="multicoil", transform=VarNetDataTransform(mask_function))
    for (file, index, _), expected in zip(reference.raw_samples, reference, strict=True):
        volume = inspect_volume(file, f"knee/{folder.name}/{file.name}")
        kspace, _ = read_slices(volume, [index])
        mask, calibration = Undersampling(acceleration).draw(
            volume.columns, volume.acquired, seed_of_file(volume.file_name)
        )
        masked = zero_filled(torch.from_numpy(kspace[0]), mask)
        assert torch.equal(mask.flatten(), expected.mask.flatten().bool())
        assert calibration[1] - calibration[0] == expected.num_low_frequencies
        assert torch.equal(torch.view_as_real(masked), expected.masked_kspace)
        image = fastmri.rss(fastmri.complex_abs(fastmri.ifft2c(expected.masked_kspace)), dim=0)
        assert torch.allclose(root_sum_of_squares(masked), image, rtol=1e-5)


def test_undersampling_equals_fastmris_transform(simulated_root):
    check_against_transform(simulated_root / "knee" / "multicoil_val")
    check_against_transform(simulated_root / "brain" / "multicoil_val", acceleration=8)


def test_undersampling_equals_fastmris_transform_on_real_volumes(real_kspace):
    for part in ("knee/multicoil_train", "knee/multicoil_val", "brain/multicoil_val"):
        check_against_transform(real_kspace / part)


@pytest.mark.parametrize("acceleration", [1, 2, 4, 8])
def test_sampled_fraction_is_about_one_over_the_acceleration(acceleration):
    draws = [Undersampling(acceleration).draw(320, (0, 320), (seed,))[0].sum() for seed in range(400)]
    assert torch.stack(draws).float().mean() / 320 == pytest.approx(1 / acceleration, rel=0.03)


def test_a_wider_centre_keeps_the_acceleration():
    """16 of the 32 columns that 4× leaves of 128; an eightfold acceleration has half of both."""
    wide = Undersampling(4, centre=0.5)
    drawn = [wide.draw(128, (0, 128), (seed,)) for seed in range(400)]
    assert {calibration for _, calibration in drawn} == {(56, 72)}
    assert all(mask[0, 0, 56:72].all() for mask, _ in drawn)
    assert torch.stack([mask.sum() for mask, _ in drawn]).float().mean() == pytest.approx(32, abs=1)
    assert replace(wide, acceleration=8).centre_lines(128) == 8
    assert wide.to_json() == {"acceleration": 4, "pattern": "random", "centre": 0.5}
    assert Undersampling(8).to_json() == {"acceleration": 8, "pattern": "random"}


def test_padded_columns_are_never_sampled():
    mask, _ = Undersampling(2).draw(40, (6, 34), (1,))
    assert not mask[..., :6].any()
    assert not mask[..., 34:].any()


def load(root):
    file = sorted((root / "knee" / "multicoil_val").iterdir())[0]
    volume = inspect_volume(file, f"knee/multicoil_val/{file.name}")
    return volume, *read_slices(volume, range(volume.slices))


def default_preparation(crop=True):
    return Preparation(Undersampling(4), CoilMaps(), crop)


def test_coil_maps_have_unit_norm_everywhere_and_see_only_calibration_lines(simulated_root):
    _, kspace, _ = load(simulated_root)
    full = torch.from_numpy(kspace[0])
    calibration = (12, 20)
    maps = CoilMaps().estimate(full, calibration)
    assert torch.allclose(maps.abs().square().sum(0), torch.ones(full.shape[1:]), atol=1e-5)
    spoiled = full.clone()
    spoiled[..., : calibration[0]] = 1e6
    spoiled[..., calibration[1] :] = -1e6
    assert torch.equal(CoilMaps().estimate(spoiled, calibration), maps)


def test_coil_maps_make_the_image_almost_real(simulated_root):
    _, kspace, _ = load(simulated_root)
    full = torch.from_numpy(kspace[0])
    images = []
    for turned in (full, full * complex(0.6, 0.8)):
        maps = CoilMaps().estimate(turned, (12, 20))
        images.append((maps.conj() * inverse_fft(turned)).sum(0))
    assert torch.allclose(images[0], images[1], atol=1e-5 * float(images[0].abs().max()))
    # at this coarse matrix: what is left of the phase is that of edges and noise
    assert images[0].real.clamp(min=0).square().sum() / images[0].abs().square().sum() > 0.75


def test_empty_slices_give_finite_maps_and_scale():
    empty = torch.zeros(3, 8, 8, dtype=torch.complex64)
    maps = CoilMaps().estimate(empty, (3, 5))
    assert torch.allclose(maps.abs().square().sum(0), torch.ones(8, 8))
    assert scale_of(empty) == 1


def test_espirit_maps_follow_the_same_conventions_and_are_cached(simulated_root, cache_root, monkeypatch):
    pytest.importorskip("sigpy", reason="ESPIRiT needs the extra `espirit`")
    _, kspace, _ = load(simulated_root)
    full = torch.from_numpy(kspace[0])
    maps = CoilMaps("espirit").estimate(full, (10, 22))
    assert torch.allclose(maps.abs().square().sum(0), torch.ones(full.shape[1:]), atol=1e-4)
    image = (maps.conj() * inverse_fft(full)).sum(0)
    assert image.real.clamp(min=0).square().sum() / image.abs().square().sum() > 0.9
    assert list(computed_folder("maps").glob("espirit-*.safetensors"))
    monkeypatch.setattr("datasets.coil_maps._run_espirit", lambda *_: pytest.fail("computed twice"))
    assert torch.equal(CoilMaps("espirit").estimate(full, (10, 22)), maps)


def test_scaling_comes_from_the_undersampled_data_and_is_equivariant(simulated_root):
    volume, kspace, target = load(simulated_root)
    first = prepare(volume, (kspace, target), default_preparation(), (1, 2))
    for factor in (1e-6, 1e3):
        scaled = prepare(volume, (factor * kspace, factor * target), default_preparation(), (1, 2))
        assert torch.allclose(scaled.kspace, first.kspace, rtol=1e-4, atol=1e-5)
        assert torch.allclose(scaled.scale, factor * first.scale, rtol=1e-4)
    hidden = np.where(first.mask[0].numpy(), kspace, 0)  # what was not sampled must not matter
    again = prepare(volume, (hidden, target), default_preparation(crop=False), (1, 2))
    seen = prepare(volume, (kspace, target), default_preparation(crop=False), (1, 2))
    assert torch.equal(again.scale, seen.scale)
    assert torch.equal(again.kspace, seen.kspace)
    assert torch.equal(again.maps, seen.maps)


def test_cropping_the_readout_is_lossless_for_linear_images(simulated_root):
    volume, kspace, target = load(simulated_root)
    full = torch.from_numpy(kspace)
    cropped = crop_readout(full, volume.target_shape[0])
    assert cropped.shape[-2] == volume.target_shape[0]
    images = [crop_to_target(root_sum_of_squares(k), torch.from_numpy(target))[0] for k in (full, cropped)]
    assert torch.allclose(images[0], images[1], rtol=1e-3, atol=1e-5 * float(target.max()))
    assert torch.allclose(images[0], torch.from_numpy(target), rtol=1e-2, atol=1e-4 * float(target.max()))


def test_an_image_narrower_than_its_target_makes_both_square():
    image, target = crop_to_target(torch.zeros(1, 20, 10), torch.zeros(1, 16, 16))
    assert image.shape == target.shape == (1, 10, 10)


@pytest.mark.parametrize(("acceleration", "rows", "columns"), [(8, 32, 34), (8, 24, 22), (12, 32, 34)])
def test_poisson_points_of_small_matrices_are_found_and_about_as_many_as_asked_for(acceleration, rows, columns):
    """sigpy searches for ever where its own tolerance cannot be met."""
    pytest.importorskip("sigpy")
    for number in range(3):
        mask, _ = Undersampling(acceleration, "poisson").draw(columns, (0, columns), (number,), rows)
        assert abs(int(mask.sum()) - rows * columns / acceleration) <= 12
