import json

import h5py
import numpy as np
import pytest
import torch

from datasets.annotations import Annotation, read_annotations
from datasets.errors import DataError
from datasets.manifest import open_manifest
from datasets.roots import open_root
from datasets.simulated import GENERATOR_VERSION, Simulation, brain, embedded_root, knee, simulate, tissues
from datasets.simulated.acquisition import FINE, CoilArray, Geometry, acquire, root_sum_of_squares
from datasets.simulated.generate import simulation_of
from datasets.simulated.tissues import SEQUENCES, intensities
from datasets.slices import read_slices

SIZE = Simulation(2, 1, 1, 1, slices=2, matrix=32, coils=3)
GOLDEN = {
    "AXT1": [0.050166, 0.049034, 0.01023],
    "AXT2": [0.048639, 0.052233, 0.009026],
    "AXFLAIR": [0.029824, 0.030466, 0.006331],
    "CORPD_FBK": [0.367494, 0.28254, 0.054265],
    "CORPDFS_FBK": [0.127648, 0.093496, 0.02363],
    "boxes": [7, 177, 103],
}


@pytest.fixture(scope="module")
def manifest(simulated_root):
    return open_manifest(open_root(simulated_root))


def test_volumes_are_read_by_the_very_same_reader(simulated_root, manifest):
    assert [len(manifest.select(a, f)) for a in ("knee", "brain") for f in ("multicoil_train", "multicoil_val")] == [
        3,
        2,
        1,
        2,
    ]
    assert len({volume.patient for volume in manifest.volumes}) == len(manifest.volumes)


def test_target_is_the_root_sum_of_squares_of_the_kspace(manifest):
    from datasets.samples import crop_to_target
    from datasets.samples import root_sum_of_squares as combine

    for volume in manifest.volumes:
        kspace, target = read_slices(volume, [0, 1])
        image, truth = crop_to_target(combine(torch.from_numpy(kspace)), torch.from_numpy(target))
        assert torch.allclose(image, truth, rtol=1e-3, atol=1e-5 * float(truth.max()))


def test_padded_columns_hold_nothing(manifest):
    for volume in manifest.volumes:
        kspace, _ = read_slices(volume, [0])
        first, last = volume.acquired
        assert not kspace[..., :first].any()
        assert not kspace[..., last:].any()
        assert np.abs(kspace[..., first:last]).min() > 0


def test_patients_are_reproducible_and_independent_of_how_many_there_are(tmp_path):
    roots = [tmp_path / name for name in ("one", "two")]
    simulate(roots[0], SIZE)
    simulate(roots[1], Simulation(1, 1, 1, 2, slices=2, matrix=32, coils=3))
    name = "brain/multicoil_val/simulated_brain_val_0000.h5"
    with h5py.File(roots[0] / name) as first, h5py.File(roots[1] / name) as second:
        np.testing.assert_array_equal(first["kspace"][()], second["kspace"][()])
    a = h5py.File(roots[0] / "knee/multicoil_train/simulated_knee_train_0000.h5")
    b = h5py.File(roots[0] / "knee/multicoil_train/simulated_knee_train_0001.h5")
    with a, b:
        assert a["kspace"].shape != b["kspace"].shape or np.abs(a["kspace"][()] - b["kspace"][()]).max() > 0


def test_lesion_boxes_lie_inside_the_target_and_everybody_was_reviewed(simulated_root, manifest):
    annotations = read_annotations(simulated_root / "fastmri_plus")
    found = 0
    for volume in manifest.volumes:
        assert annotations.status(volume) in ("clean", "finding")
        for row in annotations.of(volume):
            rows, columns = row.array_box(volume.target_shape[0])
            assert not row.malformed()
            assert 0 <= row.slice < volume.slices
            assert 0 <= rows.start < rows.stop <= volume.target_shape[0]
            assert 0 <= columns.start < columns.stop <= volume.target_shape[1]
            found += 1
    assert found > 0


def test_embedded_data_are_made_once(monkeypatch):
    root = embedded_root(SIZE)
    identity = simulation_of(root, open_manifest(root))
    assert identity is not None
    assert json.loads(identity)["knee_train"] == 2
    monkeypatch.setattr("datasets.simulated.generate.simulate", lambda *_: pytest.fail("simulated twice"))
    assert embedded_root(SIZE) == root


@pytest.mark.parametrize("change", ["removed", "content"])
def test_simulated_data_that_were_tampered_with_are_refused(tmp_path, change):
    simulate(tmp_path / "root", SIZE)
    path = tmp_path / "root/brain/multicoil_train/simulated_brain_train_0000.h5"
    if change == "removed":
        path.unlink()
    else:
        with h5py.File(path, "r+") as file:
            file["kspace"][0] *= 2
    root = open_root(tmp_path / "root")
    with pytest.raises(DataError, match="describes other volumes"):
        simulation_of(root, open_manifest(root))


def test_two_processes_may_simulate_the_same_at_once(tmp_path, monkeypatch):
    """The other one finishes first: its data are as good."""
    from datasets.simulated import generate

    write = generate._write_annotations

    def meanwhile(*arguments):
        monkeypatch.setattr(generate, "_write_annotations", write)
        simulate(tmp_path / "root", SIZE)
        write(*arguments)

    monkeypatch.setattr(generate, "_write_annotations", meanwhile)
    simulate(tmp_path / "root", SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_an_interrupted_simulation_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "datasets.simulated.generate._write_annotations", lambda *_: (_ for _ in ()).throw(OSError("disk full"))
    )
    with pytest.raises(OSError, match="disk full"):
        simulate(tmp_path / "root", SIZE)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_not_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(DataError, match="is not empty"):
        simulate(tmp_path, SIZE)


def test_output_changes_only_with_the_generator_version(tmp_path):
    """Coarse figures of one patient per contrast and all boxes; whoever changes them raises GENERATOR_VERSION."""
    simulate(tmp_path / "root", Simulation(0, 2, 0, 3, slices=2, matrix=32, coils=3, seed=4))
    found = {}
    for volume in open_manifest(open_root(tmp_path / "root")).volumes:
        kspace, target = read_slices(volume, [0, 1])
        found[volume.acquisition] = [float(target.mean()), float(target.std()), float(np.abs(kspace).mean())]
    rows = [row for part in read_annotations(tmp_path / "root" / "fastmri_plus").rows.values() for row in part]
    found["boxes"] = [len(rows), sum(row.x + row.y for row in rows), sum(row.width * row.height for row in rows)]
    assert GENERATOR_VERSION == 2
    assert set(found) == set(GOLDEN)
    for name, figures in GOLDEN.items():
        assert found[name] == pytest.approx(figures, rel=2e-3), name


def test_signals_are_those_of_the_equations():
    """Spin echo and inversion recovery by hand, for the tissues that make each contrast what it is."""
    flat = np.zeros(1, np.float32)

    def signal(tissue, name):
        return float(intensities(np.array([tissue], np.uint8), flat, SEQUENCES[name])[0])

    assert signal(tissues.FAT, "CORPD_FBK") == pytest.approx(
        0.9 * (1 - np.exp(-2750 / 370)) * np.exp(-30 / 130), rel=1e-5
    )
    assert signal(tissues.FAT, "CORPDFS_FBK") < 0.1 * signal(tissues.FAT, "CORPD_FBK")
    assert signal(tissues.FLUID, "CORPDFS_FBK") == pytest.approx(
        (1 - np.exp(-2900 / 3600)) * np.exp(-33 / 700), rel=1e-5
    )
    assert signal(tissues.WHITE, "AXT1") > signal(tissues.GREY, "AXT1") > signal(tissues.CSF, "AXT1")
    assert signal(tissues.CSF, "AXT2") > signal(tissues.GREY, "AXT2") > signal(tissues.WHITE, "AXT2")
    inverted = abs(1 - 2 * np.exp(-2500 / 4000) + np.exp(-9000 / 4000)) * np.exp(-90 / 1500)
    assert signal(tissues.CSF, "AXFLAIR") == pytest.approx(inverted, rel=1e-5)
    assert signal(tissues.LESION, "AXFLAIR") > signal(tissues.GREY, "AXFLAIR") > 3 * signal(tissues.CSF, "AXFLAIR")


@pytest.mark.parametrize("module", [knee, brain], ids=["knee", "brain"])
def test_what_a_lesion_changes_lies_inside_its_box(module):
    """The same patient with and without lesions, without noise: through the scanner, the file's y and back."""
    geometry = Geometry(48, 52, (0, 52))
    shape = (3, *geometry.fine_shape)
    contrast = SEQUENCES[{"knee": "CORPDFS_FBK", "brain": "AXT2"}[module.__name__.rpartition(".")[2]]]
    compared = 0
    for seed in range(6):
        images, lesions = [], []
        for diseased in (False, True):
            draw = np.random.default_rng(seed)
            labels, lesions = module.paint(draw, module.grid(draw, shape, geometry.extent), diseased)
            signal = intensities(labels, np.zeros(shape, np.float32), contrast)
            scan = np.random.default_rng(1)
            array = CoilArray(2, module.COILS_ALONG_ROWS)
            kspace = acquire(scan, signal, np.zeros(3, np.float32), geometry, array, 0.0)
            images.append(root_sum_of_squares(kspace, geometry.matrix))
        change = np.abs(images[1] - images[0]) ** 2
        inside = np.zeros(change.shape, bool)
        for lesion in (found for found in lesions if not found.study_level):
            for index, x, y, width, height in lesion.boxes(geometry.target_offset, (48, 48), FINE):
                row = Annotation("a", index, False, x, y, width, height, lesion.label, 2)
                inside[(index, *row.array_box(48))] = True
        if inside.any() and not any(found.study_level for found in lesions):
            compared += 1
            assert change[inside].sum() > 0.85 * change.sum()
            assert inside.mean() < 0.2
    assert compared >= 2


def spectrum(kspace):
    """Singular values of the coil images, relative to the first."""
    images = np.fft.ifft2(kspace, norm="ortho").reshape(kspace.shape[0], -1)
    values = np.linalg.svd(images, compute_uv=False)
    return values / values[0]


def signal_to_noise(kspace, target):
    """Mean of the object over the noise of a channel, from a corner of the image."""
    axes = (-2, -1)
    images = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes=axes), norm="ortho"), axes=axes)
    noise = images[:, :12, :12].std()
    return target[target > 0.1 * target.max()].mean() / noise


def test_knees_are_as_noisy_as_real_ones(real_kspace, tmp_path):
    simulate(tmp_path / "root", Simulation(0, 6, 0, 0, slices=1, matrix=160))
    figures = []
    for root in (real_kspace, tmp_path / "root"):
        volumes = [v for v in open_manifest(open_root(root)).volumes if v.anatomy == "knee"]
        slices = [read_slices(volume, [0]) for volume in volumes]
        figures.append(np.median([signal_to_noise(kspace[0], target[0]) for kspace, target in slices]))
    assert 0.4 < figures[1] / figures[0] < 2.5


def test_brains_look_like_the_real_one_in_coil_spectrum_noise_and_zero_filled_error(real_kspace, tmp_path):
    from datasets.samples import crop_to_target
    from datasets.samples import root_sum_of_squares as combine
    from datasets.undersampling import Undersampling, zero_filled

    def figures(volume):
        kspace, target = read_slices(volume, [volume.slices // 2])
        mask, _ = Undersampling(4).draw(volume.columns, volume.acquired, (1,))
        image, truth = crop_to_target(combine(zero_filled(torch.from_numpy(kspace), mask)), torch.from_numpy(target))
        error = float((image - truth).norm() ** 2 / truth.norm() ** 2)
        return spectrum(kspace[0]), signal_to_noise(kspace[0], target[0]), error

    simulate(tmp_path / "root", Simulation(0, 0, 0, 3, slices=2, matrix=256, coils=4))
    (real,) = open_manifest(open_root(real_kspace)).select("brain", "multicoil_val")
    expected = figures(real)
    simulated = [figures(v) for v in open_manifest(open_root(tmp_path / "root")).volumes]
    mean_spectrum = np.mean([found[0] for found in simulated], axis=0)
    assert np.abs(mean_spectrum - expected[0]).max() < 0.2
    assert 0.4 < np.mean([found[1] for found in simulated]) / expected[1] < 2.5
    assert 0.5 < np.mean([found[2] for found in simulated]) / expected[2] < 2.5
