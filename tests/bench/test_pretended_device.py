"""The suite on a pretended GPU: every architecture, pruner and timing gives what it gives on the CPU, bit for bit.

A fault of devices (a constant made on the CPU, a mask left there, an answer waited for in each step) fails here, on a
machine without a GPU.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from architectures import architectures
from architectures.launches import few_launches_on
from architectures.models.modl import MoDL
from bench.cli import main
from bench.evaluation import baselines
from bench.stages import train as training
from bench.stages.carry_out import Outcome, run_recipe
from bench.stages.learn_mask import searching
from bench.stages.loop import Learner, LossWatch, Progress, optimise, training_step
from bench.stages.losses import TrainingLoss
from bench.stages.train import WeightTraining, dense_training
from bench.stages.workspace import Workspace
from bench.store.curve import Curve, Point
from bench.store.state import Checkpoint, State
from bench.store.store import Store
from bench.trials.plan import PlannedTrial
from bench.trials.run import run
from datasets.samples import Samples
from pruners import LearnMask, Mask, Train, pruners
from pruners.entries import CHANNEL
from pruners.gradual import Gradual
from pruners.methods.set import GrowAtRandom
from pruners.problem import Problem, Scores
from tests.bench.toy import toy_plan
from tests.pretended_device import MixedDevicesError, PretendedTensor, pretended_device

WAITS_PER_STEP = {"training": 0.25, "mask search": 0.25, "joint search": 3.25}
"""The host waits so often, at most, in a step: the losses of all four are read together; a joint search brings the
logits of each layer (the toy has three) back to find its best mask."""
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


@pytest.fixture
def hurried() -> Iterator[Counter[str]]:
    """With the few and large operations of a GPU."""
    with pretended_device() as waits, few_launches_on("cuda"):
        yield waits


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One folder of trials on the CPU and one of those on the device, so that both share trainings."""
    return tmp_path_factory.mktemp("trials")


def planned_on(folder, kind, **request):
    settings = (f"train.steps={STEPS}", *request.pop("settings", ()))
    return toy_plan(folder / kind, device=kind, settings=settings, **request)


def carry_out(planned: PlannedTrial) -> Outcome:
    store = Store(planned.store)
    return run_recipe(planned.resolved.stages, planned.workspace, planned.context, store, False, lambda text: None)


def timeless(curve: Curve) -> list[Point]:
    return [point._replace(seconds=0.0) for point in curve]


def assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    different = [name for name in expected if not torch.equal(found[name], expected[name])]
    assert different == []


def assert_on_cpu(tensors: Mapping[str, Tensor]) -> None:
    assert [name for name, value in tensors.items() if isinstance(value, PretendedTensor)] == []


@pytest.mark.parametrize(
    ("name", "loss"), [*((name, "ssim") for name in architectures.names()), ("modl", "complex-mse")]
)
def test_every_architecture_gives_the_same_image_and_gradients(tmp_path, name, loss):
    def results(kind: str) -> dict[str, Tensor]:
        workspace = planned_on(tmp_path, kind, arch=name, pruner="dense", settings=(f"train.loss={loss}",)).workspace
        model = workspace.model(State.of(workspace.initial_model()))
        samples, measure = workspace.source("training").batch(0), TrainingLoss(loss)
        image = measure.image(model, samples)
        measure.of(image, samples).backward()
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
    assert [timeless(cost.curve) for cost in found.costs] == [timeless(cost.curve) for cost in expected.costs]


def test_a_whole_trial_leaves_the_same_record_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "LAMBDAS", (0.0, 0.1))
    monkeypatch.setattr(baselines, "ITERATIONS", 3)
    request = {"pruner": "magnitude", "shifts": ("acceleration-8", "coils-2", "noise-20", "anatomy")}

    def results(kind: str) -> tuple[PlannedTrial, dict[str, Any]]:
        planned = planned_on(tmp_path, kind, **request)
        record = run(planned, False, lambda text: None, print)
        assert record.ok
        return planned, record.to_json()

    here, expected = results("cpu")
    with pretended_device():
        there, found = results("cuda")
        assert main(["verify", str(there.folder), "--device", "cuda"]) == 0
        assert main(["speed", str(there.folder), "--runs", "1", "--batch", "1", "--device", "cuda"]) == 0
    assert found["provenance"]["numerics"]["device"] == "cuda"
    assert set(found["shifts"]["knee"]) == {"acceleration-8", "coils-2", "noise-20"}
    for part in ("mask", "metrics", "baselines", "shifts", "volumes", "convergence"):
        assert found[part] == expected[part], part
    for file in ("weights.safetensors", "mask.safetensors", "examples.safetensors"):
        assert (there.folder / file).read_bytes() == (here.folder / file).read_bytes(), file


Make = Callable[[Workspace], Learner]


def start(workspace: Workspace) -> State:
    return State.of(workspace.initial_model(), groups=workspace.groups)


def gradual(workspace: Workspace) -> Learner:
    """Training with a mask that grows sparser and the best of two steps, chosen on data that are no others."""
    state, update = start(workspace), Gradual("magnitude", "0.9", "global", (), (0, 2))
    stage, choosing = Train(0, STEPS, update, choices=2), replace(workspace, validation=workspace.data)
    return WeightTraining(workspace.model(state), state.mask, stage, choosing)


def exchanging(workspace: Workspace) -> Learner:
    """Training with a mask that moves."""
    state = start(workspace)
    half = Mask({name: torch.arange(kept.numel()).reshape(kept.shape) % 2 == 0 for name, kept in state.mask.items()})
    return WeightTraining(workspace.model(state), half, Train(0, STEPS, GrowAtRandom(0.5, (1, 3))), workspace)


def search_of(steps: int, joint: bool) -> Make:
    """A mask search, on frozen weights or with them."""

    def make(workspace: Workspace) -> Learner:
        state = start(workspace)
        return searching(workspace.model(state), state.mask, LearnMask("0.9", "global", steps, joint), workspace)

    return make


def optimised(learner: Learner, workspace: Workspace, progress: Progress = NOWHERE) -> dict[str, Tensor]:
    """What a checkpoint after the last step would hold."""
    optimise(learner, (0, STEPS), workspace.source(learner.purpose), progress)
    return learner.tensors()


@pytest.mark.parametrize(
    "make", [dense_training, gradual, exchanging, search_of(STEPS, joint=True), search_of(STEPS, joint=False)]
)
def test_an_interrupted_training_goes_on_from_its_checkpoint(tmp_path, make):
    workspace = planned_on(tmp_path, "cpu", pruner="dense").workspace
    expected = optimised(make(workspace), workspace)
    store = Store(tmp_path / "store")
    with pretended_device():
        workspace = planned_on(tmp_path, "cuda", pruner="dense").workspace
        saved: list[int] = []

        def save(checkpoint: Checkpoint) -> None:
            if not saved:  # only the first one, as if the run had ended there
                assert_on_cpu(checkpoint.tensors)
                store.save_checkpoint("key", checkpoint)
                saved.append(checkpoint.step)

        assert_same(optimised(make(workspace), workspace, Progress(None, save, pause=0.0)), expected)
        found = store.load_checkpoint("key")
        assert found is not None
        assert 0 < found.step < STEPS
        assert_same(optimised(make(workspace), workspace, replace(NOWHERE, found=found)), expected)


@pytest.mark.parametrize("make", [dense_training, search_of(STEPS, joint=False)])
def test_rows_of_windows_are_those_of_the_cpu(tmp_path, monkeypatch, make):
    """Where losses of steps are read after their window has ended."""
    monkeypatch.setattr("bench.stages.curve.MOST_ROWS", 2)

    def curve(kind: str) -> list[Point]:
        workspace = planned_on(tmp_path, kind, pruner="dense").workspace
        learner = make(workspace)
        return timeless(optimise(learner, (0, STEPS), workspace.source(learner.purpose), NOWHERE).curve)

    expected = curve("cpu")
    assert [point.step for point in expected] == [1, 3]
    with pretended_device():
        assert curve("cuda") == expected


def waits_per_step(folder: Any, waits: Counter[str], make: Make) -> float:
    """Mean of the second half, when everything there is to be set up is."""
    workspace = planned_on(folder, "cuda", pruner="dense").workspace
    learner = make(workspace)
    source = workspace.source(learner.purpose)
    optimise(learner, (0, STEPS), source, NOWHERE)
    waits.clear()
    optimise(learner, (STEPS, 2 * STEPS), source, NOWHERE)
    return waits.total() / STEPS


@pytest.mark.parametrize(
    ("what", "make"),
    [
        ("training", dense_training),
        ("mask search", search_of(2 * STEPS, joint=False)),
        ("joint search", search_of(2 * STEPS, joint=True)),
    ],
)
def test_the_host_seldom_waits(tmp_path, device, what, make):
    assert waits_per_step(tmp_path, device, make) <= WAITS_PER_STEP[what]


@pytest.mark.parametrize("arch", ["modl", "modl-unet", "e2e-varnet"])
def test_few_launches_train_as_many_do_up_to_rounding(tmp_path, hurried, arch):
    found = {}
    for kind in ("cuda", "cpu"):
        workspace = planned_on(tmp_path, kind, arch=arch).workspace
        learner = dense_training(workspace)
        for step, samples in enumerate(workspace.source("training").batches(STEPS)):
            training_step(learner, samples, step, LossWatch("training", STEPS + 1))
        found[kind] = {name: value.detach().cpu() for name, value in learner.model.state_dict().items()}
    for name, value in found["cpu"].items():
        torch.testing.assert_close(found["cuda"][name], value, rtol=1e-3, atol=1e-5)
    assert any(not torch.equal(found["cuda"][name], value) for name, value in found["cpu"].items())


# Faults put in on purpose: what CI would see of them.


def test_a_constant_on_the_cpu_in_a_network_is_caught(tmp_path, monkeypatch, device):
    forward = MoDL.forward
    monkeypatch.setattr(MoDL, "forward", lambda *inputs: forward(*inputs) * torch.ones(inputs[1].shape[-1]))
    with pytest.raises(MixedDevicesError):
        carry_out(planned_on(tmp_path, "cuda", pruner="dense"))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (lambda weight: weight.abs() * torch.ones(weight.shape), MixedDevicesError),
        (lambda weight: torch.rand_like(weight, generator=torch.Generator()), RuntimeError),
        (lambda weight: torch.from_numpy(np.abs(weight.numpy())), TypeError),
    ],
)
def test_a_pruner_that_takes_the_cpu_for_granted_is_caught(tmp_path, override, device, fault, error):
    def score(problem: Problem) -> Scores:
        return {name: fault(weight) for name, weight in problem.weights.items()}

    override(pruners, replace(pruners.get("magnitude"), score=score))
    with pytest.raises(error):
        carry_out(planned_on(tmp_path, "cuda", pruner="magnitude", timing="at-init"))


def test_a_mask_left_on_the_cpu_is_caught(tmp_path, monkeypatch, device):
    planned = planned_on(tmp_path, "cuda", pruner="magnitude", timing="at-init")
    monkeypatch.setattr(Mask, "to", lambda self, device: self)
    with pytest.raises(MixedDevicesError):
        carry_out(planned)


def test_an_optimizer_restored_to_the_cpu_is_caught(tmp_path, monkeypatch, device):
    def restore(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
        for index, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
            names = ("step", "exp_avg", "exp_avg_sq")
            optimizer.state[parameter] = {name: tensors[f"optimizer.{index}.{name}"] for name in names}

    workspace = planned_on(tmp_path, "cuda", pruner="dense").workspace
    kept: list[Checkpoint] = []
    optimised(dense_training(workspace), workspace, Progress(None, kept.append, pause=0.0))
    monkeypatch.setattr(training, "restore_optimizer", restore)
    with pytest.raises(MixedDevicesError):
        optimised(dense_training(workspace), workspace, replace(NOWHERE, found=kept[0]))


def test_a_value_read_in_every_step_is_caught(tmp_path, monkeypatch, device):
    measure = TrainingLoss.of

    def of(self: TrainingLoss, image: Tensor, samples: Samples) -> Tensor:
        loss = measure(self, image, samples)
        loss.item()
        return loss

    monkeypatch.setattr(TrainingLoss, "of", of)
    # if this fails the suite waits less than it did: lower WAITS_PER_STEP
    assert waits_per_step(tmp_path, device, dense_training) > WAITS_PER_STEP["training"]
