"""The one loop behind every optimisation: training weights, learning a mask, or both."""

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from architectures import Architecture
from bench.machine import signals
from bench.machine.macs import ConvolutionCounter
from bench.stages.batches import BatchSource
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
    watch = LossWatch(learner.purpose, 1 if source.device.type == "cpu" else UNREAD_LOSSES)
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
            now = time.monotonic()
            if (now - saved > pause or signals.asked()) and step + 1 < stop:
                watch.read()
                progress.save(Checkpoint(step + 1, learner.tensors(), macs, before + now - begun))
                saved = time.monotonic()
                if source.device.type != "cpu":
                    pause = max(pause, SAVING_SHARE * (saved - now))
                signals.check()
        watch.read()
    return Spent(stop - start, macs, before + time.monotonic() - begun)


class LossWatch:
    """Losses of steps, read a few at a time: to read one is to wait for the GPU.

    Parameters
    ----------
    purpose : str
        What diverges if one is not a number.
    together : int
        How many are read at once.

    Attributes
    ----------
    last : float
        The last one that was read.
    """

    def __init__(self, purpose: str, together: int = 1) -> None:
        self.last = math.nan
        self._purpose = purpose
        self._together = together
        self._unread: dict[int, Tensor] = {}

    def add(self, step: int, loss: Tensor) -> None:
        """The loss of a step.

        Raises
        ------
        DivergedError
            If one of those read is not a number any more.
        """
        self._unread[step] = loss
        if len(self._unread) >= self._together:
            self.read()

    def read(self) -> None:
        """Read what there is; see `add`."""
        unread, self._unread = self._unread, {}
        for step, value in zip(unread, torch.stack([*unread.values()]).tolist() if unread else (), strict=True):
            if not math.isfinite(value):
                raise DivergedError(f"{self._purpose} diverged: the loss is {value} at step {step}")
            self.last = value


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
