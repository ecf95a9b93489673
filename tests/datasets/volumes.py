"""Volumes made for tests, right and wrong in every way."""

import h5py
import numpy as np

from datasets.simulated.acquisition import root_sum_of_squares
from datasets.simulated.generate import HEADER

VALID_HEADER = HEADER.format(rows=32, columns=20, matrix=16, last=15, centre=8)


def write_volume(path, *, kspace=None, target=None, header=VALID_HEADER, attributes=None, drop=()):
    """Write a small volume of 2 slices, 3 coils, 32 × 20; keyword arguments spoil it."""
    draw = np.random.default_rng(0)
    if kspace is None:
        kspace = (draw.standard_normal((2, 3, 32, 20)) + 1j * draw.standard_normal((2, 3, 32, 20))).astype(np.complex64)
        kspace[..., 16, 10] = 60
        kspace[..., :2] = kspace[..., 18:] = 0  # as the header says
    if target is None:
        target = root_sum_of_squares(kspace, 16)
    own = {
        "acquisition": "CORPD_FBK",
        "patient_id": path.stem,
        "max": float(np.nan_to_num(target).max(initial=0)) or 1.0,
        "norm": 1.0,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, value in (("kspace", kspace), ("reconstruction_rss", target), ("ismrmrd_header", header)):
            if key not in drop:
                file[key] = value
        for key, value in {**own, **(attributes or {})}.items():
            if key not in drop:
                file.attrs[key] = value
    return path


def spoiled(root):
    """Every way a volume can be wrong: name → (what writes it, words the message must hold)."""
    path = root / "knee" / "multicoil_train" / "bad.h5"
    good = np.ones((2, 3, 32, 20), np.complex64)
    holed = good.copy()
    holed[1, 0, 0, 0] = np.nan

    def truncated():
        write_volume(path)
        path.write_bytes(path.read_bytes()[:3000])

    def text():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not a volume")

    def volume(**changes):
        return lambda: write_volume(path, **changes)

    return {
        "truncated": (truncated, "bad.h5"),
        "text file": (text, "bad.h5: cannot be read as HDF5"),
        "no kspace": (volume(drop=("kspace",)), "key 'kspace': is missing"),
        "no target": (volume(drop=("reconstruction_rss",)), "key 'reconstruction_rss': is missing"),
        "no header": (volume(drop=("ismrmrd_header",)), "key 'ismrmrd_header': is missing"),
        "no patient": (volume(drop=("patient_id",)), "key 'patient_id'"),
        "no maximum": (volume(drop=("max",)), "key 'max'"),
        "NaN": (volume(kspace=holed), "key 'kspace': slice 1 holds values that are not finite"),
        "all zero": (volume(kspace=0 * good), "key 'kspace': is zero everywhere"),
        "real-valued": (volume(kspace=good.real), "key 'kspace': is float32, not complex"),
        "wrong rank": (volume(kspace=good[0]), "key 'kspace': has 3 axes"),
        "broken header": (volume(header="<ismrmrdHeader>"), "key 'ismrmrd_header': is not a readable ISMRMRD header"),
        "empty header": (volume(header="<a/>"), "key 'ismrmrd_header': is not a readable ISMRMRD header"),
        "header off centre": (
            volume(header=HEADER.format(rows=32, columns=20, matrix=16, last=3, centre=10)),
            "key 'ismrmrd_header': describes no image",
        ),
        "zero target": (volume(target=np.zeros((2, 16, 16), np.float32)), "key 'reconstruction_rss': is zero"),
        "empty target": (volume(target=np.zeros((0, 16, 16), np.float32)), "key 'reconstruction_rss'"),
        "negative target": (volume(target=-np.ones((2, 16, 16), np.float32)), "holds negative values"),
        "other slices": (volume(target=np.ones((1, 16, 16), np.float32)), "key 'reconstruction_rss': has 1 slices"),
    }
