"""How many operations torch dispatches in a training step: what keeps a GPU waiting for its host."""

from collections.abc import Iterator, Sequence

import torch

from architectures import architectures, build
from architectures.contract import ALL_GROUPS, Variant
from architectures.launches import few_launches_on
from bench.machine.numerics import set_numerics
from bench.machine.operators import Operators
from bench.machine.randomness import generator
from bench.speed.inputs import Shape, noise
from bench.stages.batches import TrainingData
from bench.stages.loop import LossWatch, training_step
from bench.stages.train import WeightTraining
from bench.stages.workspace import Workspace
from bench.store.state import State
from bench.tracks.settings import TrainingSettings
from datasets.coil_maps import CoilMaps
from datasets.samples import Preparation, Samples
from datasets.undersampling import Undersampling
from pruners import Mask, Train
from pruners.channels import Channels
from registries.text import aligned

SHAPE = Shape(4, 64, 64)
"""The number of operations does not depend on it."""
SPARSITY = 0.9
CPU = torch.device("cpu")


def operators_table(names: Sequence[str], size: str) -> Iterator[str]:
    """Lines of a table: operations of a step under a mask, one by one as on a CPU, and as few as on a GPU.

    Parameters
    ----------
    names : sequence of str
        Of architectures.
    size : str
    """
    set_numerics(1)  # threads would wait for each other between small operations
    rows = [["network", "", "one by one", "few and large", "fewer"]]
    for name in names or architectures.names():
        many, few = _of_a_step(name, size, []), _of_a_step(name, size, ["cpu"])
        rows.append([name, "", str(many), str(few), f"{100 * (1 - few / many):.0f} %"])
    yield f"size {size}: operations dispatched in a training step (loss, gradients, masks, clipping, Adam) at 90 %"
    yield from aligned(rows)


def _of_a_step(name: str, size: str, few_on: Sequence[str]) -> int:
    with few_launches_on(*few_on):
        learner, samples = _learner(name, size), _samples()
        watch = LossWatch(learner.purpose, 3)
        training_step(learner, samples, 0, watch)  # Adam makes its state
        with Operators() as counter:
            training_step(learner, samples, 1, watch)
    found: int = counter.all
    return found


def _learner(name: str, size: str) -> WeightTraining:
    training = TrainingSettings(steps=100, batch=1, learning_rate=1e-6, loss="ssim")
    preparation = Preparation(Undersampling(), CoilMaps(), crop_readout=False)
    data = TrainingData((), preparation, 1, 0)
    nothing = Channels({}, {})
    workspace = Workspace(name, size, 1.0, Variant(), data, None, training, ALL_GROUPS, 0, CPU, {}, nothing)
    model = build(name, size, generator(0, "operators"))
    full = State.of(model).mask
    scores = {layer: torch.rand(kept.shape, generator=generator(0, layer)) for layer, kept in full.items()}
    return WeightTraining(
        model, Mask.from_scores(scores, round((1 - SPARSITY) * full.total)), Train(0, training.steps), workspace
    )


def _samples() -> Samples:
    kspace, mask, maps = noise(SHAPE, 1, CPU)
    target = torch.rand(1, SHAPE.rows // 2, SHAPE.columns // 2, generator=generator(0, "target"))
    one = torch.ones(1)
    return Samples(kspace, mask, maps, target, one, one, kspace.new_zeros(1, 0, 0))
