"""Files to reconstruct: with and without target, sampling mask and header, of any size."""

import h5py
import numpy as np
import pytest
import torch
from fastmri.data.transforms import VarNetDataTransform
from fastmri.models.varnet import SensitivityModel

from datasets.coil_maps import CoilMaps
from datasets.errors import DataError
from datasets.samples import Preparation, prepare
from datasets.scans import calibration_of, open_scan, samples_of, undersampled
from datasets.simulated.generate import HEADER
from datasets.slices import read_slices
from datasets.undersampling import Undersampling, seed_of_file
from datasets.volumes import inspect_volume
from tests.datasets.volumes import write_volume

CPU = torch.device("cpu")
CROPPED, WHOLE = (Preparation(Undersampling(4), CoilMaps(), crop_readout=cropped) for cropped in (True, False))


def columns_mask(columns, centre=8, seed=0):
    mask = np.random.default_rng(seed).random(columns) < 0.25
    first = (columns - centre + 1) // 2
    mask[first : first + centre] = True
    return mask


def write(path, shape, sampled=None, *, masked=True, seed=1, **more):
    """k-space of noise with these columns or points, a mask of its own unless left out, and whatever else."""
    draw = np.random.default_rng(seed)
    kspace = (draw.normal(size=shape) + 1j * draw.normal(size=shape)).astype(np.complex64)
    kspace[..., shape[2] // 2 - 2 : shape[2] // 2 + 2, :] *= 20
    if sampled is not None and masked:
        kspace = kspace * sampled
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        for name, value in more.items():
            file[name] = value
    return kspace


@pytest.mark.parametrize("coils", [1, 2, 15, 20])
@pytest.mark.parametrize("columns", [21, 22, 45])
def test_a_file_without_target_and_header_is_sampled_as_its_mask_says(tmp_path, coils, columns):
    mask = columns_mask(columns)
    kspace = write(tmp_path / "a.h5", (2, coils, 24, columns), mask, mask=mask)
    scan = open_scan(tmp_path / "a.h5")
    assert (scan.shape, scan.shown, scan.has_target) == ((2, coils, 24, columns), (24, columns), False)
    samples = samples_of(scan, scan.read([0, 1]), WHOLE, CPU)
    assert samples.target.shape == (2, 0, 0)
    torch.testing.assert_close(samples.kspace * samples.scale[:, None, None, None], torch.from_numpy(kspace))
    assert np.array_equal(samples.mask[0, 0, 0].numpy(), mask)
    torch.testing.assert_close(samples.maps.abs().square().sum(1), torch.ones(2, 24, columns))


def test_without_a_mask_the_zeros_tell_and_its_own_mask_wins(tmp_path):
    mask = columns_mask(22)
    write(tmp_path / "zeros.h5", (2, 2, 24, 22), mask)
    scan = open_scan(tmp_path / "zeros.h5")
    assert np.array_equal(scan.mask[0, 0].numpy(), mask)
    fewer = columns_mask(22, centre=4, seed=3)
    written = write(tmp_path / "own.h5", (2, 2, 24, 22), None, mask=fewer.astype(np.float32))
    sampled, found, calibration = undersampled(open_scan(tmp_path / "own.h5"), torch.from_numpy(written), WHOLE)
    assert np.array_equal(found[0, 0].numpy(), fewer)
    assert np.array_equal(sampled.numpy(), written * fewer)
    assert calibration[1] - calibration[0] >= 4


def test_points_are_a_mask_in_two_dimensions_and_zero_rows_are_none(tmp_path):
    points = np.random.default_rng(5).random((24, 20)) < 0.4
    points[8:16, 6:14] = True
    write(tmp_path / "points.h5", (1, 2, 24, 20), points)
    scan = open_scan(tmp_path / "points.h5")
    assert scan.mask is not None
    assert np.array_equal(scan.mask[0].numpy(), points)
    first, last = calibration_of(scan.mask)
    height = round((last - first) * 24 / 20)
    top = (24 - height + 1) // 2
    assert points[top : top + height, first:last].all()
    rows = np.ones((24, 1), bool)
    rows[:5] = False
    write(tmp_path / "partial.h5", (1, 2, 24, 20), rows)
    assert open_scan(tmp_path / "partial.h5").mask is None


@pytest.mark.parametrize("columns", [7, 8, 21, 22, 45, 64])
@pytest.mark.parametrize("centre", [1, 2, 3, 6])
def test_the_calibration_region_is_centred_whole_and_largest(columns, centre):
    first = (columns - centre + 1) // 2
    mask = torch.zeros(1, 1, columns, dtype=torch.bool)
    mask[..., first : first + centre] = True
    assert calibration_of(mask) == (first, first + centre)
    mask[..., 0] = True
    assert calibration_of(mask) == ((0, 7) if (columns, centre) == (7, 6) else (first, first + centre))
    assert calibration_of(torch.ones(1, 1, columns, dtype=torch.bool)) == (0, columns)
    assert calibration_of(torch.zeros(1, 1, columns, dtype=torch.bool)) == ((columns + 1) // 2,) * 2


@pytest.mark.parametrize("columns", [22, 64, 368])
def test_for_even_widths_it_is_the_one_of_fastmri(columns):
    mask = torch.from_numpy(columns_mask(columns, centre=8, seed=columns))
    pad, lines = SensitivityModel(4, 2).get_pad_and_num_low_freqs(mask.reshape(1, 1, 1, columns, 1))
    assert calibration_of(mask[None, None]) == (int(pad), int(pad) + int(lines))


def test_a_fully_sampled_file_is_undersampled_as_in_an_evaluation(tmp_path, simulated_root):
    path = sorted((simulated_root / "knee" / "multicoil_val").glob("*.h5"))[0]
    volume = inspect_volume(path, f"knee/multicoil_val/{path.name}")
    for preparation in (CROPPED, WHOLE):
        read, target = read_slices(volume, [0, 1])
        expected = prepare(volume, (read, target), preparation, seed_of_file(path.name))
        scan = open_scan(path)
        found = samples_of(scan, scan.read([0, 1]), preparation, CPU)
        assert scan.mask is None
        for name in ("kspace", "mask", "maps", "target", "scale"):
            assert torch.equal(getattr(found, name), getattr(expected, name)), name


def test_what_is_shown_is_as_in_fastmri(tmp_path):
    header = HEADER.format(rows=40, columns=22, matrix=20, last=21, centre=11)
    mask = columns_mask(22)
    write(tmp_path / "a.h5", (1, 2, 40, 22), mask, mask=mask, ismrmrd_header=header)
    scan = open_scan(tmp_path / "a.h5")
    assert scan.shown == (20, 20)
    assert samples_of(scan, scan.read([0]), CROPPED, CPU).kspace.shape[-2:] == (20, 22)
    assert samples_of(scan, scan.read([0]), WHOLE, CPU).kspace.shape[-2:] == (40, 22)


def test_fastmris_test_files_are_read_as_fastmri_does(tmp_path):
    """Key `mask`, no target, columns outside the acquired ones never sampled."""
    header = HEADER.format(rows=24, columns=22, matrix=20, last=17, centre=9)
    mask = columns_mask(22)
    kspace = write(tmp_path / "a.h5", (1, 2, 24, 22), mask, masked=False, ismrmrd_header=header, mask=mask)
    scan = open_scan(tmp_path / "a.h5")
    attributes = {"padding_left": 2, "padding_right": 20, "recon_size": (20, 20, 1), "max": 1.0}
    theirs = VarNetDataTransform()(kspace[0], mask, None, attributes, "a.h5", 0)
    expected = mask.copy()
    expected[:2] = expected[20:] = False
    assert np.array_equal(scan.mask[0, 0].numpy(), expected)
    assert np.array_equal(theirs.mask.reshape(-1).numpy().astype(bool), expected)


BAD = {
    "no file": (lambda path: None, "no such file"),
    "not hdf5": (lambda path: path.write_text("text"), "cannot be read as HDF5"),
    "no k-space": (lambda path: h5py.File(path, "w").close(), "'kspace': is missing"),
    "single coil": (lambda path: put(path, np.ones((2, 8, 8), np.complex64)), "has 3 axes"),
    "real": (lambda path: put(path, np.ones((2, 2, 8, 8), np.float32)), "not complex"),
    "zero": (lambda path: put(path, np.zeros((2, 2, 8, 8), np.complex64)), "is zero everywhere"),
    "not finite": (lambda path: put(path, np.full((2, 2, 8, 8), np.nan, np.complex64)), "not finite"),
    "mask of another width": (lambda path: put(path, mask=np.ones(9)), "not (8,) columns or (8, 8) points"),
    "mask of weights": (lambda path: put(path, mask=np.full(8, 0.5)), "other values than 0 and 1"),
    "target of zeros": (
        lambda path: put(path, reconstruction_rss=np.zeros((2, 8, 8), "f")),
        "'reconstruction_rss': is zero",
    ),
    "target of other slices": (lambda path: put(path, reconstruction_rss=np.ones((3, 8, 8), "f")), "no target of"),
}


def put(path, kspace=None, **more):
    with h5py.File(path, "w") as file:
        file["kspace"] = np.ones((2, 2, 8, 8), np.complex64) if kspace is None else kspace
        for name, value in more.items():
            file[name] = value


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_reconstructed_is_refused_in_one_line(kind, tmp_path):
    make, message = BAD[kind]
    path = tmp_path / "bad.h5"
    make(path)
    with pytest.raises(DataError) as caught:
        open_scan(path)
    assert message in str(caught.value)
    assert "bad.h5" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_slices_sampled_differently_need_a_mask(tmp_path):
    kspace = write(tmp_path / "whole.h5", (2, 2, 24, 22))
    kspace[0] *= columns_mask(22, seed=1)
    kspace[1] *= columns_mask(22, seed=2)
    put(tmp_path / "a.h5", kspace)
    with pytest.raises(DataError, match="slices are sampled at different columns"):
        open_scan(tmp_path / "a.h5")
    put(tmp_path / "a.h5", kspace, mask=columns_mask(22, seed=1))
    assert open_scan(tmp_path / "a.h5").mask is not None


def test_points_that_differ_from_slice_to_slice_need_a_mask_and_accidental_zeros_do_not(tmp_path):
    kspace = write(tmp_path / "whole.h5", (3, 2, 24, 22))
    one = kspace.copy()
    one[1, :, 3, 4] = 0
    put(tmp_path / "a.h5", one)
    assert open_scan(tmp_path / "a.h5").mask is None
    for slice_ in range(3):
        points = np.random.default_rng(slice_).random((24, 22)) < 0.4
        points[8:16, 6:14] = True
        kspace[slice_] *= points
    put(tmp_path / "b.h5", kspace)
    with pytest.raises(DataError, match="sampled at different"):
        open_scan(tmp_path / "b.h5")


def test_without_the_centre_there_are_no_maps(tmp_path):
    mask = columns_mask(22)
    mask[9:13] = False
    write(tmp_path / "a.h5", (1, 2, 24, 22), mask)
    scan = open_scan(tmp_path / "a.h5")
    with pytest.raises(DataError, match="its sampling mask leaves out the centre of k-space"):
        samples_of(scan, scan.read([0]), WHOLE, CPU)


def test_a_plain_volume_is_a_scan(tmp_path):
    write_volume(tmp_path / "a.h5")
    assert open_scan(tmp_path / "a.h5").has_target
