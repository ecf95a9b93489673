"""The training loop: determinism, masks, resumption, divergence."""

import pytest
import torch

from bench.stages.loop import DivergedError, Progress
from bench.stages.train import learning_rate, train
from bench.store.store import Store
from bench.tracks.settings import TrainingSettings
from pruners import Mask, Train
from tests.bench.toy import toy_plan

NOWHERE = Progress(None, lambda checkpoint: None)


def make(tmp_path, **changes):
    planned = toy_plan(tmp_path, **changes)
    return planned.workspace, planned.workspace.initial_model()


def half_mask(model):
    draw = torch.Generator().manual_seed(0)
    return Mask({n: torch.rand(p.weight.shape, generator=draw) < 0.5 for n, p in model.prunable().items()})


def run(workspace, model, mask, stop, progress=NOWHERE, start=0):
    return train(model, mask, Train(start, stop), workspace, progress)[1]


def test_schedule_warms_up_and_ends_at_zero():
    settings = TrainingSettings(steps=100, batch=1, learning_rate=1.0, warm_up=0.1)
    rates = [learning_rate(settings, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)


def test_pruned_weights_stay_exactly_zero_and_the_others_learn(tmp_path):
    workspace, model = make(tmp_path)
    mask = half_mask(model)
    before = {name: part.weight.detach().clone() for name, part in model.prunable().items()}
    spent = run(workspace, model, mask, 6)
    assert spent.steps == 6
    assert spent.macs > 0
    for name, part in model.prunable().items():
        assert (part.weight[~mask[name]] == 0).all()
        assert (part.weight[mask[name]] != before[name][mask[name]]).float().mean() > 0.5


def test_weight_decay_and_masks_leave_zeros_alone(tmp_path):
    workspace, model = make(tmp_path, settings=("train.weight_decay=0.1",))
    mask = half_mask(model)
    run(workspace, model, mask, 3)
    assert all((part.weight[~mask[name]] == 0).all() for name, part in model.prunable().items())


def test_a_resumed_training_is_bit_equal(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.stages.loop.CHECKPOINT_SECONDS", -1.0)
    workspace, model = make(tmp_path)
    mask = half_mask(model)
    run(workspace, model, mask, 12)
    store = Store(tmp_path / "store")
    kept = []

    def save(checkpoint):
        store.save_checkpoint("key", checkpoint)
        kept.append(checkpoint.step)
        if checkpoint.step == 5:
            raise KeyboardInterrupt

    interrupted = workspace.initial_model()
    with pytest.raises(KeyboardInterrupt):
        run(workspace, interrupted, mask, 12, Progress(None, save))
    assert kept == [1, 2, 3, 4, 5]
    resumed = workspace.initial_model()
    spent = run(workspace, resumed, mask, 12, Progress(store.load_checkpoint("key"), lambda checkpoint: None))
    assert spent.steps == 12
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("loss", ["l1", "ssim"])
def test_multiply_accumulates_are_those_of_a_hand_count(tmp_path, loss):
    """Toy MoDL: 3 convolutions, 2 unrolls; the very first input is data and needs no gradient; a loss is free."""
    workspace, model = make(tmp_path, settings=(f"train.loss={loss}",))
    samples = workspace.data.batch(0)
    _, _, height, width = samples.kspace.shape
    weights = [part.weight.numel() for part in model.prunable().values()]
    forward = model.unrolls * sum(weights) * height * width
    backward = 2 * forward - weights[0] * height * width
    full = Mask.full({name: part.weight for name, part in model.prunable().items()})
    assert run(workspace, model, full, 1).macs == forward + backward


def test_weight_decay_shrinks_prunable_weights_alone(tmp_path, monkeypatch):
    """With a gradient clipped to nothing, only decay is left."""
    workspace, model = make(tmp_path, settings=("train.weight_decay=0.5", "train.learning_rate=0.1"))
    monkeypatch.setattr(
        torch.nn.utils, "clip_grad_norm_", lambda parameters, norm: sum(p.grad.zero_().sum() for p in parameters)
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run(workspace, model, Mask.full({n: p.weight for n, p in model.prunable().items()}), 2)
    for name, value in model.state_dict().items():
        if name in model.prunable():
            assert (value.abs() <= before[name].abs()).all()
            assert (value.abs() < before[name].abs()).any()
        else:
            assert torch.equal(value, before[name])


def test_divergence_is_named_with_its_step(tmp_path):
    workspace, model = make(tmp_path)
    with torch.no_grad():
        model.log_lambda.fill_(float("nan"))
    with pytest.raises(DivergedError, match="training diverged: the loss is nan at step 0"):
        run(workspace, model, half_mask(model), 3)


@pytest.mark.parametrize("loss", ["ssim", "l1", "mse"])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_losses_and_precisions_train(tmp_path, loss, precision):
    settings = (f"train.loss={loss}", f"train.precision={precision}", "train.batch=2", "train.steps=3")
    workspace, _ = make(tmp_path, settings=settings)
    from bench.store.state import State

    model = workspace.model(State.of(workspace.initial_model()))
    before = model.state_dict()["denoiser.layers.0.weight"].clone()
    run(workspace, model, Mask.full({n: p.weight for n, p in model.prunable().items()}), 3)
    assert not torch.equal(before, model.state_dict()["denoiser.layers.0.weight"])


def test_batches_are_a_function_of_seed_purpose_and_step(tmp_path):
    data, other = make(tmp_path)[0].data, make(tmp_path, seed=1)[0].data
    assert torch.equal(data.batch(7).kspace, make(tmp_path)[0].data.batch(7).kspace)
    masks = {
        bytes(part.batch(step, purpose).mask.numpy())
        for part, step, purpose in [(data, 7, "training"), (data, 7, "scoring"), (other, 7, "training")]
    }
    assert len(masks) == 3


def test_every_slice_is_seen_once_per_epoch_with_fresh_masks(tmp_path):
    data = make(tmp_path)[0].data
    epoch = [data.batch(step) for step in range(2 * len(data))]
    first, second = (
        {bytes(samples.kspace.numpy()) for samples in part} for part in (epoch[: len(data)], epoch[len(data) :])
    )
    assert len(first) == len(data)
    # the scale depends on the mask, so targets in the file's units tell slices apart
    targets = [[(s.target * s.scale).sum().item() for s in part] for part in (epoch[: len(data)], epoch[len(data) :])]
    assert sorted(targets[0]) == pytest.approx(sorted(targets[1]), rel=1e-5)
    assert first.isdisjoint(second)
