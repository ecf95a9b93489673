"""The one training loop, on an interval of one nominal schedule."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from architectures import Architecture
from bench.cost import ConvolutionCounter
from bench.losses import image_loss
from bench.settings import TrainingSettings
from bench.store import Checkpoint
from bench.training_data import TrainingData
from pruners import Mask, Train

CHECKPOINT_SECONDS = 4.0


class DivergedError(Exception):
    """Training lost its way; the trial is recorded as failed with this reason."""


@dataclass(frozen=True)
class Progress:
    """Where checkpoints of a stage go to and come from.

    Attributes
    ----------
    found : Checkpoint or None
        Where an interrupted run stopped.
    save : callable
        Keeps a checkpoint.
    """

    found: Checkpoint | None
    save: Callable[[Checkpoint], None]


@dataclass(frozen=True)
class Spent:
    """Steps, multiply–accumulates and seconds of a training."""

    steps: int
    macs: int
    seconds: float


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """Linear warm-up, then a cosine to zero at T (Loshchilov & Hutter 2017)."""
    warm_up = max(1, round(settings.warm_up * settings.steps))
    if step < warm_up:
        return settings.learning_rate * (step + 1) / warm_up
    fraction = (step - warm_up) / max(1, settings.steps - warm_up)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * fraction))


def train(
    model: Architecture,
    mask: Mask,
    interval: Train,
    settings: TrainingSettings,
    data: TrainingData,
    device: torch.device,
    progress: Progress,
) -> Spent:
    """Train a model in place under a mask: backward, masked gradients, clip, step, masked weights.

    Raises
    ------
    DivergedError
        If the loss is not a number any more.
    """
    loss_of = image_loss(settings.loss)
    weights = {name: model.get_parameter(name) for name in mask}
    kept = Mask({name: tensor.to(device) for name, tensor in mask.items()})
    optimizer = _optimizer(model, settings)
    first, macs, before = interval.start, 0, 0.0
    if progress.found:
        first, macs, before = progress.found.step, progress.found.macs, progress.found.seconds
        _restore(model, optimizer, progress.found.tensors)
    kept.apply_(weights)
    model.train()
    macs_by_shape: dict[torch.Size, int] = {}
    begun = saved = time.monotonic()
    total = interval.stop - interval.start
    with tqdm(total=total, initial=first - interval.start, desc="training", unit="step", leave=False) as bar:
        for step in range(first, interval.stop):
            samples = data.batch(step).to(device)
            shape = samples.kspace.shape
            counter = None if shape in macs_by_shape else ConvolutionCounter(model)
            with counter or nullcontext():
                loss = loss_of(model(samples.kspace, samples.mask, samples.maps), samples)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
            if counter:
                macs_by_shape[shape] = counter.macs
            macs += macs_by_shape[shape]
            value = loss.detach().item()
            if not math.isfinite(value):
                raise DivergedError(f"training diverged: the loss is {value} at step {step}")
            for name, weight in weights.items():
                if weight.grad is not None:
                    weight.grad.mul_(kept[name])
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(settings, step)
            optimizer.step()
            kept.apply_(weights)
            bar.update()
            bar.set_postfix(loss=f"{value:.4f}", refresh=False)
            now = time.monotonic()
            if now - saved > CHECKPOINT_SECONDS and step + 1 < interval.stop:
                progress.save(Checkpoint(step + 1, _tensors(model, optimizer), macs, before + now - begun))
                saved = time.monotonic()
    return Spent(total, macs, before + time.monotonic() - begun)


def _optimizer(model: Architecture, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam; decoupled weight decay acts on the prunable weights alone, never on λ, step sizes or biases."""
    decaying = [part.weight for part in model.prunable().values()]
    chosen = {id(weight) for weight in decaying}
    others = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
    groups = [{"params": decaying, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0)


def _tensors(model: Architecture, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights and optimizer state under flat names."""
    flat = {f"weights.{name}": value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    for index, entries in optimizer.state_dict()["state"].items():
        flat |= {f"optimizer.{index}.{name}": value.detach().cpu() for name, value in entries.items()}
    return flat


def _restore(model: Architecture, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    model.load_state_dict({n.removeprefix("weights."): t for n, t in tensors.items() if n.startswith("weights.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
