"""Coil maps follow the echo along the readout, and are what they were where it is in the middle."""

import hashlib

import numpy as np
import pytest
import torch

from bench.evaluation.baselines import CGSense
from datasets.cache import computed_folder
from datasets.coil_maps import CoilMaps, echo_row, inverse_fft
from datasets.manifest import open_manifest
from datasets.roots import open_root
from datasets.samples import Preparation, mean_psnr, prepare
from datasets.simulated import Simulation, simulate
from datasets.slices import read_slices
from datasets.undersampling import Undersampling, seed_of_file

ROLL = 8


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    """A volume of the size of the track `demo`, on which a window of eight rows of 96 has something to miss."""
    root = tmp_path_factory.mktemp("echo") / "root"
    simulate(root, Simulation(0, 0, 0, 1, slices=2, matrix=96, coils=6))
    return root


def qualities(root, kind, crop):
    """PSNR of CG-SENSE on the last brain volume of a root, as it is and with its echo moved."""
    volume = open_manifest(open_root(root)).select("brain", "multicoil_val")[-1]
    preparation = Preparation(Undersampling(4), CoilMaps(kind), crop)
    kspace, target = read_slices(volume, [volume.slices // 2])
    method = CGSense(0.01, 20)
    for rows in (0, ROLL, -ROLL):
        rolled = np.roll(kspace, rows, axis=-2)  # multiplies the image by a phase, so that the target is the same
        samples = prepare(volume, (rolled, target), preparation, seed_of_file(volume.file_name))
        yield mean_psnr(method(samples), samples)


@pytest.mark.parametrize("crop", [True, False])
def test_an_echo_off_mid_readout_costs_cg_sense_nothing(brain, crop):
    usual, later, earlier = qualities(brain, "low-resolution", crop)
    assert later == pytest.approx(usual, abs=0.1)
    assert earlier == pytest.approx(usual, abs=0.1)


@pytest.mark.parametrize("kind", ["low-resolution", "espirit"])
def test_on_a_real_brain_too(real_kspace, kind):
    if kind == "espirit":
        pytest.importorskip("sigpy", reason="ESPIRiT needs the extra `espirit`")
    usual, later, earlier = qualities(real_kspace, kind, True)
    assert later == pytest.approx(usual, abs=0.1)
    assert earlier == pytest.approx(usual, abs=0.1)


def test_every_simulated_echo_counts_as_mid_readout(simulated_root, brain):
    """Published rows stand on it: the window has not moved for any of them."""
    for root in (simulated_root, brain):
        for volume in open_manifest(open_root(root)).volumes:
            kspace, _ = read_slices(volume, range(volume.slices))
            middle = volume.columns // 2
            assert {int(echo_row(torch.from_numpy(part[..., middle - 2 : middle + 2]))) for part in kspace} == {
                volume.rows // 2
            }


def test_the_echo_is_the_peak_unless_it_is_close_to_the_middle():
    lines = torch.zeros(2, 32, 4, dtype=torch.complex64)
    assert echo_row(lines) == 16  # nothing measured
    for row, expected in ((15, 16), (16, 16), (17, 16), (18, 18), (14, 14), (0, 0), (31, 31)):
        peak = lines.clone()
        peak[:, row] = 1
        assert echo_row(peak) == expected


def test_the_window_of_an_echo_at_the_edge_stays_inside():
    lines = torch.randn(2, 32, 16, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    lines[:, 31] += 50
    maps = CoilMaps().estimate(lines, (4, 12))
    assert torch.allclose(maps.abs().square().sum(0), torch.ones(32, 16), atol=1e-5)


def test_espirit_maps_of_a_moved_echo_are_cached_under_a_name_of_their_own(brain, cache_root, monkeypatch):
    pytest.importorskip("sigpy", reason="ESPIRiT needs the extra `espirit`")
    volume = open_manifest(open_root(brain)).volumes[0]
    kspace = torch.from_numpy(read_slices(volume, [0])[0][0])
    first = volume.columns // 2 - 12
    content = kspace[..., first : first + 24].contiguous().numpy().tobytes()
    names = set()
    for moved in (kspace, kspace.roll(ROLL, -2)):
        before = set(computed_folder("maps").glob("espirit-*"))
        maps = CoilMaps("espirit").estimate(moved, (first, first + 24))
        (made,) = set(computed_folder("maps").glob("espirit-*")) - before
        names.add(made.name)
        image = (maps.conj() * inverse_fft(moved)).sum(0)
        assert image.real.clamp(min=0).square().sum() / image.abs().square().sum() > 0.9
    usual = hashlib.sha256(f"v1 {tuple(kspace.shape)} {first}".encode() + content).hexdigest()
    assert f"espirit-{usual}.safetensors" in names
