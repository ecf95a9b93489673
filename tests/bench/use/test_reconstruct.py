"""Files of one's own through a trained network: arrays, files, pictures, and what is refused."""

import h5py
import numpy as np
import pytest
import torch

from bench.cli import main
from bench.evaluation.scoring import TestData, reconstruct_volume
from bench.use.files import reconstruct_file
from bench.use.network import TrainedNetwork
from datasets.volumes import inspect_volume
from registries import RequestError
from tests.datasets.test_scans import columns_mask, put, write

CPU = torch.device("cpu")


@pytest.fixture
def network(snip):
    return TrainedNetwork.of(snip, CPU)


@pytest.fixture
def inside(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("coils", [1, 4, 20])
@pytest.mark.parametrize("columns", [21, 40])
def test_a_file_without_target_gives_fastmris_submission_and_a_picture(coils, columns, snip, inside, capsys):
    mask = columns_mask(columns)
    write(inside / "scan.h5", (3, coils, 24, columns), mask, mask=mask)
    assert main(["reconstruct", str(snip), "scan.h5", "--device", "cpu"]) == 0
    with h5py.File("reconstructions/scan.h5") as file:
        assert list(file) == ["reconstruction"]
        values = file["reconstruction"][()]
    assert values.shape == (3, 24, columns)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert values.max() > 0
    assert (inside / "reconstructions" / "scan.png").read_bytes()[:4] == b"\x89PNG"
    out = capsys.readouterr().out
    assert "no target" in out
    assert "PSNR" not in out


def test_with_a_target_it_is_scored_as_an_evaluation_is(network, simulated_root):
    path = sorted((simulated_root / "brain" / "multicoil_val").glob("*.h5"))[0]
    volume = inspect_volume(path, f"brain/multicoil_val/{path.name}")
    test = TestData({"brain": (volume,)}, {volume.name: (0, 1)}, {}, network.preparation(), CPU)
    target, images = reconstruct_volume({"network": network.network}, volume, test)
    found = reconstruct_file(network, path)
    assert found.target is not None
    assert np.array_equal(found.target, target)
    assert np.array_equal(found.images["this network"], images["network"])
    assert set(found.scores) == {"zero-filled", "CG-SENSE", "this network"}
    assert list(found.example(1).images) == ["target", "zero-filled", "CG-SENSE", "this network"]


def test_arrays_of_numpy_and_torch_give_the_same_in_the_units_of_the_data(network, tmp_path):
    mask = columns_mask(22)
    kspace = write(tmp_path / "a.h5", (2, 3, 24, 22), mask)
    image = network.reconstruct(kspace, mask)
    assert image.shape == (2, 24, 22)
    assert isinstance(image, np.ndarray)
    assert np.array_equal(network.reconstruct(torch.from_numpy(kspace), torch.from_numpy(mask)).numpy(), image)
    np.testing.assert_allclose(network.reconstruct(kspace[1], mask), image[1], rtol=1e-3)
    np.testing.assert_allclose(network.reconstruct(1e-6 * kspace, mask), 1e-6 * image, rtol=1e-3, atol=1e-10)
    unsampled = kspace + np.where(mask, 0, 100).astype(np.complex64)
    assert np.array_equal(network.reconstruct(unsampled, mask), image)


def test_where_nothing_was_measured_the_image_is_zero(network, tmp_path):
    """Its scale is 1, in which the biases of a network would be as bright as an image."""
    mask = columns_mask(22)
    kspace = write(tmp_path / "a.h5", (2, 3, 24, 22), mask, mask=mask)
    assert not network.reconstruct(0 * kspace[0], mask).any()
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["kspace"][0] = 0
    found = reconstruct_file(network, tmp_path / "a.h5")
    assert all(not image[0].any() and image[1].any() for image in found.images.values())


def test_arrays_may_be_reversed_and_of_another_byte_order(network, tmp_path):
    mask = columns_mask(22)
    kspace = write(tmp_path / "a.h5", (2, 3, 24, 22), mask)
    image = network.reconstruct(kspace, mask)
    assert np.array_equal(network.reconstruct(kspace[::-1].copy()[::-1], mask), image)
    assert np.array_equal(network.reconstruct(kspace.astype(">c8"), mask), image)


@pytest.mark.parametrize(
    ("kspace", "mask", "message"),
    [
        (np.ones((3, 24, 22)), np.ones(22), "kspace: is torch.float64"),
        (np.ones((24, 22), complex), np.ones(22), "kspace: is"),
        (np.ones((3, 24, 22), complex), np.ones(21), r"sampling_mask: has the shape \(21,\)"),
        (np.full((3, 24, 22), np.nan, complex), np.ones(22), "not finite"),
        (np.ones((3, 24, 22), complex), np.zeros(22), "leaves out the centre"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(kspace, mask, message, network):
    with pytest.raises(RequestError, match=message):
        network.reconstruct(kspace, mask)


def test_one_bad_file_of_a_folder_is_named_and_the_others_are_reconstructed(snip, inside, capsys):
    (inside / "scans").mkdir()
    for name in ("a.h5", "c.h5"):
        write(inside / "scans" / name, (1, 2, 24, 22), columns_mask(22))
    put(inside / "scans" / "b.h5", np.zeros((1, 2, 8, 8), np.complex64))
    assert main(["reconstruct", str(snip), "scans", "--out", "out", "--format", "svg", "--device", "cpu"]) == 2
    assert "b.h5, key 'kspace': is zero everywhere\n" in capsys.readouterr().err
    assert sorted(path.name for path in (inside / "out").iterdir()) == ["a.h5", "a.svg", "c.h5", "c.svg"]


@pytest.mark.parametrize("suffix", ["h5", "png", "pdf"])
def test_one_output_is_written_where_it_is_named(suffix, snip, inside):
    write(inside / "scan.h5", (1, 2, 24, 22), columns_mask(22))
    assert main(["reconstruct", str(snip), "scan.h5", "--out", f"here/mine.{suffix}", "--device", "cpu"]) == 0
    assert [path.name for path in (inside / "here").iterdir()] == [f"mine.{suffix}"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.h5"], "no such file"),
        (["scan.h5", "--acceleration", "8"], "is undersampled already"),
        (["scan.h5", "--slice", "7"], "has 1 slice"),
        (["scan.h5", "--format", "bmp"], "png, svg, pdf"),
        (["scan.h5", "more.h5", "--out", "one.h5"], "is one file, for 2 volumes"),
        (["empty"], "holds no .h5 file"),
        (["scan.h5", "--out", "one.tif"], "ends in .h5"),
    ],
)
def test_bad_requests_end_in_one_line(words, message, snip, inside, capsys):
    (inside / "empty").mkdir()
    for name in ("scan.h5", "more.h5"):
        write(inside / name, (1, 2, 24, 22), columns_mask(22))
    assert main(["reconstruct", str(snip), *words, "--device", "cpu"]) == 2
    *_, line = capsys.readouterr().err.splitlines()  # after progress
    assert message in line
