"""Volumes of the sizes that fastMRI has, with noise for content: every path takes them, and scores equal fastMRI's."""

from types import SimpleNamespace

import fastmri
import h5py
import numpy as np
import pytest
import torch
from fastmri import evaluate
from fastmri.data.transforms import center_crop

from bench.evaluation.baselines import zero_filled_image
from bench.evaluation.scoring import reconstruct_volume, score
from datasets.simulated.generate import HEADER
from datasets.slices import read_slices
from tests.bench.toy import toy_plan
from tests.datasets.test_samples import check_against_transform
from tests.datasets.volumes import write_volume

SHAPES = {
    "knee/multicoil_val/file1000.h5": {"coils": 15, "rows": 640, "columns": 368, "recon": (320, 320), "lines": 332},
    "brain/multicoil_val/file_brain_AXT2_200.h5": {"coils": 4, "rows": 640, "columns": 320, "recon": (320, 320)},
    "brain/multicoil_val/file_brain_AXT1_201.h5": {"coils": 20, "rows": 512, "columns": 213, "recon": (256, 213)},
    "brain/multicoil_val/file_brain_AXFLAIR_203.h5": {"coils": 6, "rows": 640, "columns": 203, "recon": (320, 320)},
    "knee/multicoil_train/file1001.h5": {"coils": 15, "rows": 640, "columns": 372, "recon": (320, 320), "lines": 330},
}


def write_realistic(path, coils, rows, columns, recon, lines=None):
    """One slice of smooth noise with the header of such a scan; FLAIR's target is wider than its k-space."""
    draw = np.random.default_rng(coils)
    lines = lines or columns
    left = (columns - lines) // 2
    decay = 1 / (
        1 + np.hypot(*np.meshgrid(np.arange(rows) - rows // 2, np.arange(columns) - columns // 2, indexing="ij"))
    )
    noise = draw.standard_normal((2, 1, coils, rows, columns)).astype(np.float32)
    kspace = ((noise[0] + 1j * noise[1]) * decay).astype(np.complex64)
    kspace[..., :left] = kspace[..., left + lines :] = 0
    image = fastmri.rss(
        fastmri.complex_abs(fastmri.ifft2c(torch.view_as_real(torch.from_numpy(kspace)))), dim=1
    ).numpy()
    target = np.zeros((1, *recon), np.float32)
    height, width = recon[0], min(columns, recon[1])
    top, side = (rows - height) // 2, (columns - width) // 2
    start = (recon[1] - width) // 2
    target[:, :, start : start + width] = image[:, top : top + height, side : side + width]
    header = HEADER.format(rows=rows, columns=columns, matrix=recon[0], last=lines - 1, centre=columns // 2 - left)
    header = header.replace(f"<y>{recon[0]}</y>", f"<y>{recon[1]}</y>")
    write_volume(path, kspace=kspace, target=target, header=header, attributes={"max": float(target.max())})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("realistic")
    for name, shape in SHAPES.items():
        write_realistic(folder / name, **shape)
    return folder


def test_masks_and_zero_filled_images_equal_fastmris(root):
    for part in ("knee/multicoil_val", "brain/multicoil_val"):
        check_against_transform(root / part, acceleration=8)


@pytest.mark.parametrize("crop", [True, False])
def test_every_figure_equals_fastmris_evaluation_of_the_saved_images(root, tmp_path, override, crop):
    """The images are saved by fastMRI's own function and scored by its evaluation script, volume by volume."""
    from dataclasses import replace

    from bench.tracks.track import tracks

    toy = tracks.get("toy")
    changed = replace(toy, data=replace(toy.data, crop_readout=crop), evaluation=replace(toy.evaluation, volumes=0))
    override(tracks, changed)
    planned = toy_plan(tmp_path / "out", data=str(root))
    model = planned.workspace.initial_model()
    methods = {"zero": zero_filled_image, "network": lambda s: model(s.kspace, s.mask, s.maps)}
    found = score(methods, planned.test)
    assert {v.columns for v in planned.test.volumes} == {368, 320, 213, 203}
    for name, reconstruct in methods.items():
        for volume in planned.test.volumes:
            image = reconstruct_volume({name: reconstruct}, volume, planned.test)[1][name]
            folders = {kind: tmp_path / name / volume.file_name / kind for kind in ("target", "found")}
            fastmri.save_reconstructions({volume.file_name: image}, folders["found"])
            folders["target"].mkdir(parents=True)
            if volume.columns >= volume.target_shape[1]:  # the file itself is what fastMRI's script reads
                (folders["target"] / volume.file_name).symlink_to(volume.path)
            else:  # FLAIR's k-space is narrower than its target; fastMRI crops both to the width of the image
                _, whole = read_slices(volume, planned.test.slices[volume.name])
                with h5py.File(folders["target"] / volume.file_name, "w") as file:
                    file["reconstruction_rss"] = center_crop(whole, (volume.columns, volume.columns))
            arguments = SimpleNamespace(
                target_path=folders["target"], predictions_path=folders["found"], acquisition=None, acceleration=None
            )
            means = evaluate.evaluate(arguments, "reconstruction_rss").means()
            for metric in ("psnr", "ssim", "nmse"):
                assert found[name][volume.name][metric] == pytest.approx(np.squeeze(means[metric.upper()]), abs=1e-6)


def test_a_run_takes_them_all(root, tmp_path):
    from bench.trials.run import run

    record = run(toy_plan(tmp_path, data=str(root), settings=("train.steps=2",)), False, print)
    assert record.ok, record.reason
    assert {row["volume"] for row in record.to_json()["volumes"]} <= set(SHAPES)
