"""The one loop behind every optimisation: training weights, learning a mask, or both."""

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from architectures import Architecture
from bench.machine import signals
from bench.machine.macs import ConvolutionCounter
from bench.stages.batches import BatchSource
from bench.stages.curve import Recorder
from bench.stages.workspace import Validation
from bench.store.state import Checkpoint, Spent
from datasets.samples import Samples

CHECKPOINT_SECONDS = float(os.environ.get("PUNBENCH_CHECKPOINT_SECONDS", "4"))
SAVING_SHARE = 20
"""On a GPU, where steps are fast and networks large, saving takes at most one part in so many."""
UNREAD_LOSSES = 20
"""Steps on a GPU after which their losses are read."""


class DivergedError(Exception):
    """Training lost its way; the trial is recorded as failed with this reason."""


class Learner(Protocol):
    """What the loop optimises."""

    @property
    def model(self) -> Architecture: ...  # noqa: D102

    @property
    def purpose(self) -> str:
        """Whose batches these are."""

    @property
    def optimizer(self) -> torch.optim.Optimizer: ...  # noqa: D102

    @property
    def gradient_norm(self) -> Tensor:
        """Of the gradients that the last move was made with, before they were clipped."""

    def density(self) -> float | Tensor:
        """Fraction of the prunable weights that is kept now, or expected to be."""

    def points(self) -> frozenset[int]:
        """Steps after which it is validated."""

    def validate(self, step: int) -> Validation | None:
        """Scores on the validation patients as it is now, after this step; nothing changes, and nothing is billed."""

    def loss(self, samples: Samples, step: int) -> Tensor:
        """Loss of a batch, to be differentiated."""

    def move(self, step: int) -> int:
        """Use the gradients; gives the multiply–accumulates spent beside them."""

    def tensors(self) -> dict[str, Tensor]:
        """All that a checkpoint needs, under flat names, on the CPU."""

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint."""


@dataclass(frozen=True)
class Progress:
    """Where checkpoints of a stage go to and come from.

    Attributes
    ----------
    found : Checkpoint or None
        Where an interrupted run stopped.
    save : callable
        Keeps a checkpoint.
    pause : float, optional
        Seconds between checkpoints, instead of the usual ones.
    """

    found: Checkpoint | None
    save: Callable[[Checkpoint], None]
    pause: float | None = None


def optimise(learner: Learner, steps: tuple[int, int], source: BatchSource, progress: Progress) -> Spent:
    """Take the steps from the first to before the last one, or what an interrupted run left of them.

    Raises
    ------
    DivergedError
        If the loss is not a number any more.
    KeyboardInterrupt
        Where a signal asked for it, with a checkpoint.
    """
    start, stop = steps
    first, macs, before = start, 0, 0.0
    if progress.found:
        first, macs, before = progress.found.step, progress.found.macs, progress.found.seconds
        learner.restore(progress.found.tensors)
    macs_by_shape: dict[torch.Size, int] = {}
    begun = saved = time.monotonic()
    pause = CHECKPOINT_SECONDS if progress.pause is None else progress.pause
    recorder = Recorder(steps, learner.points())
    recorder.restore(progress.found.tensors if progress.found else {})
    together = 1 if source.device.type == "cpu" else UNREAD_LOSSES
    watch = LossWatch(learner.purpose, together, partial(recorder.take, "loss"))
    with (
        tqdm(total=stop - start, initial=first - start, desc=learner.purpose, unit="step", leave=False) as bar,
        closing(source.batches(stop - first, first)) as batches,
    ):
        for step, samples in enumerate(batches, first):
            shape = samples.kspace.shape
            counter = None if shape in macs_by_shape else ConvolutionCounter(learner.model)
            more = training_step(learner, samples, step, watch, counter)
            if counter:
                macs_by_shape[shape] = counter.macs
            macs += macs_by_shape[shape] + more
            bar.update()
            if not math.isnan(watch.last):  # none was read yet
                bar.set_postfix(loss=f"{watch.last:.4f}", refresh=False)
            begun += _record(recorder, learner, step, before + time.monotonic() - begun, watch)
            now = time.monotonic()
            if (now - saved > pause or signals.asked()) and step + 1 < stop:
                watch.read()
                tensors = {**learner.tensors(), **recorder.tensors()}
                progress.save(Checkpoint(step + 1, tensors, macs, before + now - begun))
                saved = time.monotonic()
                if source.device.type != "cpu":
                    pause = max(pause, SAVING_SHARE * (saved - now))
                signals.check()
        watch.read()
    return Spent(stop - start, macs, before + time.monotonic() - begun, curve=recorder.curve)


def _record(recorder: Recorder, learner: Learner, step: int, seconds: float, watch: "LossWatch") -> float:
    """Hand on what a step shows; gives the seconds that validation took."""
    watch.later(learner.gradient_norm, partial(recorder.take, "gradient_norm", step))
    if not recorder.ends(step):
        return 0.0
    recorder.take("learning_rate", step, learner.optimizer.param_groups[0]["lr"])
    recorder.take("seconds", step, seconds)
    density = learner.density()
    if isinstance(density, Tensor):
        watch.later(density, partial(recorder.take, "density", step))
    else:
        recorder.take("density", step, density)
    if step not in recorder.points:
        recorder.close()
        return 0.0
    watch.read()  # a loss that is not a number is named before anything follows from it
    begun = time.monotonic()
    found = learner.validate(step)
    if found:
        recorder.take("validation_loss", step, found.loss)
        recorder.take("validation_psnr", step, found.psnr)
    recorder.close()
    return time.monotonic() - begun


class LossWatch:
    """Losses of steps and what goes with them, read a few at a time: to read one is to wait for the GPU.

    Parameters
    ----------
    purpose : str
        What diverges if one is not a number.
    together : int
        How many losses are read at once.
    take : callable, optional
        Is given each step and its loss once it is read.

    Attributes
    ----------
    last : float
        The last one that was read.
    """

    def __init__(
        self, purpose: str, together: int = 1, take: Callable[[int, float], None] = lambda step, loss: None
    ) -> None:
        self.last = math.nan
        self._purpose = purpose
        self._together = together
        self._take = take
        self._losses = 0
        self._unread: list[tuple[Tensor, Callable[[float], None]]] = []

    def add(self, step: int, loss: Tensor) -> None:
        """The loss of a step.

        Raises
        ------
        DivergedError
            If one of those read is not a number any more.
        """
        self.later(loss, partial(self._check, step))
        self._losses += 1
        if self._losses >= self._together:
            self.read()

    def later(self, value: Tensor, take: Callable[[float], None]) -> None:
        """Read a number together with the losses, and give it to somebody."""
        self._unread.append((value, take))

    def read(self) -> None:
        """Read what there is; see `add`."""
        unread, self._unread, self._losses = self._unread, [], 0
        values = torch.stack([value for value, _ in unread]).tolist() if unread else ()
        for (_, take), value in zip(unread, values, strict=True):
            take(value)

    def _check(self, step: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise DivergedError(f"{self._purpose} diverged: the loss is {loss} at step {step}")
        self.last = loss
        self._take(step, loss)


def training_step(
    learner: Learner, samples: Samples, step: int, watch: LossWatch, counter: ConvolutionCounter | None = None
) -> int:
    """One step: loss, gradients, move; gives the multiply–accumulates beside those of the gradients.

    Parameters
    ----------
    learner : Learner
    samples : Samples
        A batch on the device.
    step : int
    watch : LossWatch
        Is given the loss.
    counter : ConvolutionCounter, optional
        Counts those of the gradients.

    Raises
    ------
    DivergedError
        If the loss is not a number any more.
    """
    try:
        with counter or nullcontext():
            loss = learner.loss(samples, step)
            learner.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        watch.add(step, loss.detach())
        return learner.move(step)
    except Exception:
        watch.read()  # whatever follows a loss that is not a number is its consequence
        raise


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """State of an optimizer under flat names, on the CPU."""
    return {
        f"optimizer.{index}.{name}": value.detach().cpu().clone()
        for index, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """As `optimizer_tensors` gave it."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose name begins so, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def prefixed(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Copies on the CPU, with a prefix to their names."""
    return {f"{prefix}{name}": tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
