"""The suite on a pretended GPU: every architecture, pruner and timing gives what it gives on the CPU, bit for bit.

A fault of devices (a constant made on the CPU, a mask left there, an answer waited for in each step) fails here, on a
machine without a GPU.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from architectures import architectures
from architectures.models.modl import MoDL
from bench.evaluation import baselines
from bench.stages import train as training
from bench.stages.carry_out import Outcome, run_recipe
from bench.stages.learn_mask import searching
from bench.stages.loop import Learner, Progress, optimise
from bench.stages.losses import TrainingLoss
from bench.stages.train import WeightTraining, dense_training
from bench.stages.workspace import Workspace
from bench.store.state import State
from bench.store.store import Store
from bench.trials.plan import PlannedTrial
from bench.trials.run import run
from pruners import LearnMask, Mask, Prune, Train, pruners
from pruners.entries import CHANNEL
from pruners.gradual import Gradual
from pruners.methods.set import GrowAtRandom
from tests.bench.toy import toy_plan
from tests.pretended_device import PretendedTensor, pretended_device

WAITS_PER_STEP = 8.0
"""The host waits so often in a step of training, at most: seven parts of a batch are brought over, the loss is read."""
WAITS_PER_SEARCH_STEP = 8.0 + 3.0
"""In a step of a mask search, at most: the same, and the noise of each layer (three of the toy)."""
STEPS = 4
COMBINATIONS = [
    (entry.name, timing)
    for entry in pruners
    if entry.identity.origin == "built-in"
    for timing in entry.timings or (None,)
]
NOWHERE = Progress(None, lambda checkpoint: None, pause=math.inf)


@pytest.fixture
def device() -> Iterator[Counter[str]]:
    with pretended_device() as waits:
        yield waits


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One folder of trials on the CPU and one of those on the device, so that both share trainings."""
    return tmp_path_factory.mktemp("trials")


def planned_on(folder: Any, kind: str, **request: Any) -> PlannedTrial:
    settings = (f"train.steps={STEPS}", *request.pop("settings", ()))
    return toy_plan(folder / kind, device=kind, settings=settings, **request)


def carry_out(planned: PlannedTrial) -> Outcome:
    store = Store(planned.store)
    return run_recipe(planned.resolved.stages, planned.workspace, planned.context, store, False, lambda text: None)


def assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    different = [name for name in expected if not torch.equal(found[name], expected[name])]
    assert different == []


def assert_on_cpu(tensors: Mapping[str, Tensor]) -> None:
    assert [name for name, value in tensors.items() if isinstance(value, PretendedTensor)] == []


@pytest.mark.parametrize("name", architectures.names())
@pytest.mark.parametrize("loss", ["ssim", "complex-mse"])
def test_every_architecture_gives_the_same_image_and_gradients(tmp_path, name, loss):
    if loss == "complex-mse" and name == "e2e-varnet":
        pytest.skip("has no complex image")

    def results(kind: str) -> dict[str, Tensor]:
        workspace = planned_on(tmp_path, kind, arch=name, pruner="dense", settings=(f"train.loss={loss}",)).workspace
        model = workspace.model(State.of(workspace.initial_model()))
        samples, measure = workspace.source("training").batch(0), TrainingLoss(loss)
        image = measure.image(model, samples)
        measure.of(image, samples).backward()  # type: ignore[no-untyped-call]
        gradients = {key: value.grad for key, value in model.named_parameters() if value.grad is not None}
        assert image.device.type == kind
        return {"image": image.detach().cpu(), **{key: value.cpu() for key, value in gradients.items()}}

    expected = results("cpu")
    with pretended_device():
        found = results("cuda")
    assert_same(found, expected)


@pytest.mark.parametrize(("name", "timing"), COMBINATIONS)
def test_every_pruner_and_timing_gives_the_same_network(shared, name, timing):
    entry = pruners.get(name)
    settings = [f"pruner.{key}=1" for key in ("batches",) if key in entry.options]
    settings += ["pruner.rounds=2"] if entry.rounds > 1 and timing != "while" else []
    sparsity = "0.5" if entry.granularity == CHANNEL else None
    request = {"pruner": name, "timing": timing, "sparsity": sparsity, "settings": tuple(settings)}
    expected = carry_out(planned_on(shared, "cpu", **request))
    with pretended_device():
        found = carry_out(planned_on(shared, "cuda", **request))
    assert_on_cpu({**found.state.weights, **found.state.mask})
    assert_same(found.state.weights, expected.state.weights)
    assert found.state.mask == expected.state.mask
    assert [(cost.name, cost.macs, cost.findings) for cost in found.costs] == [
        (cost.name, cost.macs, cost.findings) for cost in expected.costs
    ]


def test_a_whole_trial_leaves_the_same_record_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "LAMBDAS", (0.0, 0.1))
    monkeypatch.setattr(baselines, "ITERATIONS", 3)
    request = {"arch": "e2e-varnet", "pruner": "magnitude", "timing": "at-init", "shifts": ("all",)}

    def results(kind: str) -> tuple[PlannedTrial, dict[str, Any]]:
        planned = planned_on(tmp_path, kind, **request)
        record = run(planned, False, lambda text: None, print)
        assert record.ok, record
        return planned, record.to_json()

    here, expected = results("cpu")
    with pretended_device() as waits:
        there, found = results("cuda")
    assert waits["synchronize"] > 0  # latency is measured
    assert found["shifts"]
    for part in ("mask", "metrics", "baselines", "shifts", "volumes", "convergence"):
        assert found[part] == expected[part], part
    for file in ("weights.safetensors", "mask.safetensors", "examples.safetensors"):
        assert (there.folder / file).read_bytes() == (here.folder / file).read_bytes(), file
