"""Shifts change what they say and nothing else; the same for every trial."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from datasets.coil_compression import compress
from datasets.coil_maps import CoilMaps
from datasets.manifest import open_manifest
from datasets.noise import add_noise, unit_noise
from datasets.roots import open_root
from datasets.samples import Preparation, prepare
from datasets.shifts import Trained, shifts
from datasets.slices import read_slices
from datasets.splits import training_set
from datasets.undersampling import PATTERNS, Undersampling, seed_of_file

BASE = Preparation(Undersampling(4), CoilMaps(), crop_readout=True)


@pytest.fixture(scope="module")
def manifest(simulated_root, cache_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        return open_manifest(open_root(simulated_root))


@pytest.fixture
def volume(manifest):
    return manifest.select("knee", "multicoil_val")[0]


def sample(volume, preparation):
    kspace, target = read_slices(volume, [0, 1])
    return prepare(volume, (kspace, target), preparation, seed_of_file(volume.file_name))


def trained(**changes):
    values = {
        "preparation": BASE,
        "anatomies": frozenset(["knee"]),
        "acquisitions": frozenset(["CORPD_FBK"]),
        "clean": False,
        "annotations": None,
    }
    return Trained(**{**values, **changes})


MEASUREMENTS = [entry.name for entry in shifts if entry.change is not None]


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_a_measurement_is_the_same_for_every_trial_and_leaves_the_target(volume, name):
    changed = shifts.get(name).change(BASE)
    first, second, usual = sample(volume, changed), sample(volume, changed), sample(volume, BASE)
    assert torch.equal(first.kspace, second.kspace)
    assert torch.equal(first.mask, second.mask)
    differs = first.kspace.shape != usual.kspace.shape or not torch.equal(first.kspace, usual.kspace)
    assert differs == (name not in ("acceleration-4", "pattern-random", "coils-4"))  # three coils, trained at 4×
    target = first.target * first.scale[:, None, None]
    assert torch.allclose(target, usual.target * usual.scale[:, None, None], rtol=1e-5)
    assert not first.kspace[~first.mask.expand(first.kspace.shape)].any()
    energy = first.maps.abs().square().sum(1)
    assert torch.allclose(energy, torch.ones_like(energy), atol=1e-4)


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
@pytest.mark.parametrize("acceleration", [4, 8])
def test_patterns_keep_about_one_in_r_and_all_of_the_centre(pattern, acceleration):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    shares = []
    for seed in range(12):
        undersampling = Undersampling(acceleration, pattern)
        mask, (first, last) = undersampling.draw(128, (0, 128), (seed,), rows=96)
        shares.append(float(mask.float().mean()))
        rows = mask.shape[-2]
        high = max(last - first, round((last - first) * rows / 128)) if rows > 1 else 1
        top = (rows - high + 1) // 2
        assert mask[0, top : top + high, first:last].all()
        assert last - first == undersampling.centre_lines(128)
        padded, _ = undersampling.draw(128, (10, 100), (seed,), rows=96)
        assert not padded[..., :10].any()
        assert not padded[..., 100:].any()
    assert np.mean(shares) == pytest.approx(1 / acceleration, rel=0.12)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_patterns_differ_between_volumes():
    for pattern in ("random", "gaussian", "poisson"):
        masks = {bytes(Undersampling(4, pattern).draw(64, (0, 64), (s,), rows=64)[0].numpy()) for s in range(4)}
        assert len(masks) == 4


def test_gaussian_density_falls_from_the_centre():
    mean = torch.stack(
        [Undersampling(4, "gaussian").draw(128, (0, 128), (s,))[0][0, 0].float() for s in range(200)]
    ).mean(0)
    assert mean[36:52].mean() > 2 * mean[:16].mean()


@pytest.mark.parametrize("decibels", [10.0, 30.0])
def test_noise_has_the_stated_power_where_it_was_sampled(decibels):
    draw = torch.Generator().manual_seed(0)
    kspace = (
        torch.randn(2, 4, 64, 60, dtype=torch.complex64, generator=draw) * torch.tensor([1.0, 5.0])[:, None, None, None]
    )
    kspace[..., :10] = 0
    mask = torch.rand(1, 1, 60, generator=draw) < 0.5
    mask[..., :10] = False
    unit = torch.stack(list(unit_noise(2, tuple(kspace.shape[1:]), (1, 2))))
    noisy = add_noise(kspace, mask, (10, 60), decibels, unit)
    added = noisy - kspace
    assert not added[:, :, :, ~mask[0, 0]].any()
    for index in range(2):
        power = kspace[index][..., 10:].abs().square().mean()
        ratio = power / added[index][..., mask[0, 0]].abs().square().mean()
        assert 10 * torch.log10(ratio).item() == pytest.approx(decibels, abs=0.2)


@pytest.mark.parametrize("shape", [(3, 8, 16), (3, 7, 5)])
def test_noise_is_that_of_the_seed_however_many_slices_are_drawn_at_once(shape):
    whole = torch.stack(list(unit_noise(5, shape, (1, 2))))
    assert torch.equal(whole, torch.stack(list(unit_noise(5, shape, (1, 2)))))
    assert not torch.equal(whole, torch.stack(list(unit_noise(5, shape, (1, 3)))))
    assert len({slice_.sum().item() for slice_ in whole}) == 5
    digest = hashlib.sha256(repr(("added noise", (1, 2))).encode()).digest()
    draw = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    assert torch.equal(whole, torch.randn((5, *shape), dtype=torch.complex64, generator=draw))


def test_compression_keeps_what_few_coils_can_hold():
    """Five coils that are mixtures of two lose nothing in two virtual ones."""
    draw = torch.Generator().manual_seed(0)
    two = torch.randn(2, 16, 12, dtype=torch.complex64, generator=draw)
    mixed = torch.einsum("cv,vhw->chw", torch.randn(5, 2, dtype=torch.complex64, generator=draw), two)
    found = compress(mixed, (4, 8), 2)
    assert found.shape == (2, 16, 12)
    assert torch.allclose(found.abs().square().sum(0), mixed.abs().square().sum(0), rtol=1e-4)
    assert torch.equal(compress(two, (4, 8), 4), two)


def test_compression_does_not_hang_on_the_phase_of_a_singular_vector(monkeypatch):
    draw = torch.Generator().manual_seed(0)
    coils = torch.randn(5, 16, 12, dtype=torch.complex64, generator=draw)
    expected = compress(coils, (4, 8), 3)
    svd = torch.linalg.svd

    def turned(matrix):
        left, values, right = svd(matrix)
        return left * torch.polar(torch.ones(5), torch.arange(5.0)), values, right

    monkeypatch.setattr("torch.linalg.svd", turned)
    assert torch.allclose(compress(coils, (4, 8), 3), expected, atol=1e-4)


def test_populations_are_shifts_only_for_those_who_did_not_train_on_them(manifest):
    volumes = manifest.volumes
    assert shifts.get("contrast-pd").unfit(trained()) is not None
    assert shifts.get("contrast-t2").unfit(trained()) is None
    assert "both anatomies" in shifts.get("anatomy").unfit(trained(anatomies=frozenset(["knee", "brain"])))
    members = [v for v in volumes if shifts.get("anatomy").member(v, trained())]
    assert {v.anatomy for v in members} == {"brain"}
    t2 = [v for v in volumes if shifts.get("contrast-t2").member(v, trained())]
    assert {v.acquisition for v in t2} <= {"AXT2"}
    assert [
        shifts.get("contrast-t2").member(replace(volumes[0], acquisition=a), trained()) for a in ("AXT2", "AXT1")
    ] == [
        True,
        False,
    ]
    assert "findings" in shifts.get("pathology").unfit(trained())
    assert "no fastMRI+" in shifts.get("pathology").unfit(trained(clean=True))


def test_the_condition_of_the_training_is_no_shift():
    assert "trained" in shifts.get("acceleration-4").unfit(trained())
    assert "trained" in shifts.get("pattern-random").unfit(trained())
    other = replace(BASE, undersampling=Undersampling(8))
    assert shifts.get("acceleration-4").unfit(trained(preparation=other)) is None


@pytest.mark.parametrize(("name", "acquisition"), [("knee-pd", "CORPD_FBK"), ("knee-pdfs", "CORPDFS_FBK")])
def test_training_sets_of_one_contrast(manifest, name, acquisition):
    found = training_set(manifest, None, name)
    assert {v.acquisition for v in found.training} == {acquisition}
