"""The curves of a trial for TensorBoard, an optional extra."""

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.evaluation import curves
from bench.store.curve import CURVE, Curve
from registries import RequestError

EVENTS = "events.out.tfevents.*"
LONGEST = 100
"""Letters of the name of a run."""
TAGS = {
    "loss": "loss/training",
    "validation_loss": "loss/validation",
    "validation_psnr": "psnr/validation",
    "learning_rate": "learning rate",
    "density": "density",
    "gradient_norm": "gradient norm",
}
Writer = Callable[[str], Any]


def summary_writer() -> Writer:
    """What writes a folder of TensorBoard.

    Raises
    ------
    RequestError
        If the package is not installed.
    """
    try:
        found: Writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter
    except ImportError as error:
        raise RequestError(
            f"--tensorboard: the package tensorboard cannot be imported ({error}); pip install -e '.[tensorboard]'"
        ) from None
    return found


def export(trial: Path, root: Path, writer: Writer) -> str:
    """Write the curves of a trial to ``root/<trial>``, one run for each stage, in place of what was there.

    Parameters
    ----------
    trial : Path
        Its folder.
    root : Path
    writer : callable
        See `summary_writer`.

    Returns
    -------
    str
        What became of it, in one line.

    Raises
    ------
    RequestError
        If the folder cannot be written, or the curves cannot be read.
    """
    folder = root / trial.name
    try:
        found = curves.read(trial / CURVE)
    except FileNotFoundError:
        return f"tensorboard: {trial / CURVE} is absent, the trial is of an earlier version; --fresh computes it anew"
    except (OSError, ValueError) as error:
        raise RequestError(f"{trial / CURVE}: cannot be read ({error}); --fresh computes it anew") from None
    try:
        for old in folder.rglob(EVENTS):
            old.unlink()
        for (number, name), curve in found.items():
            run = f"{number:02d} {name}".replace("/", "-")[:LONGEST]
            _write(writer(str(folder / run)), curve)
    except OSError as error:
        raise RequestError(f"--tensorboard {root}: cannot write there ({error.strerror})") from None
    return f"tensorboard: {folder}"


def _write(writer: Any, curve: Curve) -> None:
    begun = time.time() - curve[-1].seconds
    for point in curve:
        for column, tag in TAGS.items():
            value = getattr(point, column)
            if value is not None:
                writer.add_scalar(tag, value, point.step, walltime=begun + point.seconds)
    writer.close()
