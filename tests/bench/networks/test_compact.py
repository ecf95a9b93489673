"""Compact networks give the same image; files bring back what was written, and refuse what is none."""

import json

import pytest
import safetensors.torch
import torch

from architectures import architectures, build
from architectures.compaction import Kept, compacted
from bench.cli import main
from bench.networks.compact import compact, compaction_plan, read_compact, write_compact
from bench.networks.sparse import read_sparse, write_sparse
from bench.networks.trained import StoredNetwork
from bench.speed.inputs import Shape, noise
from bench.speed.networks import relative_difference
from pruners import Mask
from pruners.channels import Channels
from pruners.coupling import coupled
from records.trial import RecordedTrial, Resolution
from registries import RequestError

SHAPE = Shape(3, 32, 28)


def make(name, size="toy"):
    model = build(name, size, torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():  # trained networks have biases and scales of their own
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return model


def without_channels(model, share=0.5):
    weights = {name: part.weight for name, part in model.prunable().items()}
    channels = coupled(model.networks(), weights)
    scores, full = channels.random_scores(torch.Generator().manual_seed(2)), Mask.full(weights)
    mask = channels.select(scores, round((1 - share) * full.total), "layer-wise", full)
    mask.apply_(weights)
    return mask


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", [name for name in architectures.names() if name != "modl-didn"])
def test_a_compact_network_gives_the_same_image(name):
    model = make(name)
    mask = without_channels(model)
    small, plan = compact(model)
    removed = mask.total - mask.kept
    assert count(small) <= count(model) - removed  # and the biases of removed channels
    assert relative_difference(model, small, SHAPE) < 1e-5
    assert all(kept.inputs and kept.outputs for kept in plan.values())


@pytest.mark.parametrize("name", ["e2e-varnet", "modl-unet"])
@pytest.mark.filterwarnings("error")
def test_at_mini_size_with_most_channels_gone(name):
    model = make(name, "mini")
    without_channels(model, 0.91)
    small, _ = compact(model)
    assert count(small) < 0.12 * count(model)
    assert relative_difference(model, small, Shape(4, 48, 40)) < 1e-5


def test_a_dense_network_stays_whole():
    model = make("modl-unet")
    small, _ = compact(model)
    assert count(small) == count(model)
    assert relative_difference(model, small, SHAPE) == 0


def test_unstructured_masks_lose_their_empty_channels():
    model = make("modl-unet")
    weights = {name: part.weight for name, part in model.prunable().items()}
    draw = torch.Generator().manual_seed(3)
    scores = {name: torch.rand(weight.shape, generator=draw) for name, weight in weights.items()}
    name = "denoiser.network.conv.layers.0.weight"
    scores[name][:5] = 0  # filters that a score emptied
    Mask.from_scores(scores, Mask.full(weights).total * 3 // 10).apply_(weights)
    small, plan = compact(model)
    assert len(plan[name.removesuffix(".weight")].outputs) <= weights[name].shape[0] - 5
    assert count(small) < count(model)
    assert relative_difference(model, small, SHAPE) < 1e-5


def test_a_layer_without_anything_keeps_one_channel():
    model = make("modl")
    with torch.no_grad():
        model.get_parameter("denoiser.layers.2.weight").zero_()
        model.get_parameter("denoiser.layers.2.bias").zero_()
    small, plan = compact(model)
    assert plan["denoiser.layers.0"].outputs == (0,)  # nobody reads any
    assert relative_difference(model, small, SHAPE) < 1e-5


def test_constant_channels_with_a_bias_stay():
    """Beyond the border a constant channel is zero, so that it is no bias of the next layer."""
    model = make("modl")
    with torch.no_grad():
        model.get_parameter("denoiser.layers.2.weight")[1] = 0
        model.get_parameter("denoiser.layers.2.bias")[1] = 0.7
    small, plan = compact(model)
    assert 1 in plan["denoiser.layers.2"].outputs
    assert relative_difference(model, small, SHAPE) < 1e-5


def test_a_plan_that_names_no_convolution_is_refused():
    with pytest.raises(ValueError, match="no convolution"):
        compacted(make("modl"), {"denoiser.layers.1": Kept((0,), (0,))})


def test_norms_with_parameters_are_refused():
    model = make("modl")
    model.denoiser.layers.append(torch.nn.BatchNorm2d(2))
    with pytest.raises(ValueError, match="parameters or statistics"):
        compacted(model, {})


def test_a_compact_file_is_read_without_tracing(tmp_path, monkeypatch):
    model = make("e2e-varnet")
    without_channels(model)
    small, plan = compact(model)
    trial = RecordedTrial(
        arch="e2e-varnet",
        size="toy",
        pruner="magnitude-channel",
        timing="after",
        sparsity="0.5",
        train_on="knee",
        acceleration=4,
        seed=0,
        resolved=Resolution(track="toy"),
    )
    write_compact(tmp_path / "c.safetensors", small, plan, trial)
    monkeypatch.setattr("pruners.coupling.find_spec", lambda name: None)
    again = read_compact(tmp_path / "c.safetensors")
    assert relative_difference(small, again, SHAPE) == 0
    with pytest.raises(RequestError, match="structured"):
        compaction_plan(model)


def test_a_sparse_file_brings_every_weight_back(tmp_path):
    model = make("modl-unet")
    weights = {name: part.weight for name, part in model.prunable().items()}
    draw = torch.Generator().manual_seed(4)
    scores = {name: torch.rand(weight.shape, generator=draw) for name, weight in weights.items()}
    mask = Mask.from_scores(scores, Mask.full(weights).total // 10)
    mask.apply_(weights)
    state = model.state_dict()
    write_sparse(tmp_path / "s.safetensors", state, mask)
    again = read_sparse(tmp_path / "s.safetensors")
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], value) for name, value in state.items())
    size = (tmp_path / "s.safetensors").stat().st_size
    content = mask.total / 8 + 4 * mask.kept + 4 * (count(model) - mask.total)
    assert content < size < content + 300 * len(state)  # names, shapes and offsets


@pytest.mark.parametrize("read", [read_compact, read_sparse])
def test_other_files_are_refused(tmp_path, read):
    for content in (b"", b"nonsense", safetensors.torch.save({"a": torch.zeros(2)})):
        (tmp_path / "x.safetensors").write_bytes(content)
        with pytest.raises(RequestError, match=r"x\.safetensors: is no"):
            read(tmp_path / "x.safetensors")


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """One trial of whole channels, in its folder."""
    out = tmp_path_factory.mktemp("trial")
    words = ["run", "--arch", "modl-unet", "--pruner", "magnitude-channel", "--size", "toy", "--sparsity", "0.8"]
    assert main([*words, "--device", "cpu", "--quiet", "--out", str(out)]) == 0
    return next(path.parent for path in out.glob("*/record.json"))


def test_a_record_counts_the_channels(trial):
    mask = json.loads((trial / "record.json").read_text())["mask"]
    stored = StoredNetwork.of(trial)
    weights = {name: part.weight for name, part in stored.model.prunable().items()}
    channels = coupled(stored.model.networks(), weights)
    assert isinstance(channels, Channels)
    kept = sum(int(flags.sum()) for flags in channels.kept(stored.mask).values())
    assert mask["channels"] == {"kept": kept, "total": channels.total}
    assert mask["achieved"] >= 0.8
    assert mask["kept"] == stored.mask.kept < 0.2 * mask["prunable"]


@pytest.mark.parametrize("kind", ["compact", "sparse"])
def test_export(trial, capsys, kind):
    assert main(["export", str(trial), "--as", kind]) == 0
    said = capsys.readouterr().out
    assert f"{kind}.safetensors" in said
    stored = StoredNetwork.of(trial)
    if kind == "compact":
        assert relative_difference(stored.model, read_compact(trial / "compact.safetensors"), SHAPE) < 1e-5
    else:
        state = stored.model.state_dict()
        again = read_sparse(trial / "sparse.safetensors")
        assert all(torch.equal(again[name], state[name]) for name in state)


def test_speed_of_a_record(trial, capsys):
    assert main(["speed", str(trial), "--runs", "2", "--batch", "1", "2", "--variants", "channels-last"]) == 0
    said = capsys.readouterr().out
    (found,) = json.loads((trial / "speed.json").read_text())
    assert list(found["batches"]) == ["1", "2"]
    assert set(found["batches"]["1"]) == {"dense", "masked", "compacted"} | {
        f"{name} channels-last" for name in ("dense", "compacted")
    }
    assert found["macs"]["compacted"] == found["macs"]["masked"] < found["macs"]["dense"]
    assert found["bytes"]["compacted"] < found["bytes"]["dense"]
    assert found["difference"] < 1e-5
    assert found["shape"]["coils"] == 3
    assert found["mask"] == StoredNetwork.of(trial).mask.sha256
    for word in ("compacted", "dense / it", "bit mask and values", "magnitude-channel"):
        assert word in said


def test_a_record_without_its_weights_is_refused(trial, tmp_path, capsys):
    (tmp_path / "record.json").write_text((trial / "record.json").read_text())
    for command in ("speed", "export"):
        assert main([command, str(tmp_path)]) == 2
        err = capsys.readouterr().err
        assert "its weights and mask are not in its folder" in err
        assert len(err.strip().splitlines()) == 1


def test_another_mask_beside_a_record_is_refused(trial, tmp_path):
    for name in ("record.json", "weights.safetensors"):
        (tmp_path / name).write_bytes((trial / name).read_bytes())
    mask = Mask(safetensors.torch.load_file(trial / "mask.safetensors"))
    safetensors.torch.save_file(dict(Mask.full(mask)), tmp_path / "mask.safetensors")
    with pytest.raises(RequestError, match="another one"):
        StoredNetwork.of(tmp_path)


def test_noise_is_undersampled_and_its_maps_have_norm_one():
    kspace, mask, maps = noise(SHAPE, 2, torch.device("cpu"))
    assert kspace.shape == maps.shape == (2, 3, 32, 28)
    assert mask.shape == (2, 1, 1, 28)
    assert not kspace[..., ~mask[0, 0, 0]].any()
    assert torch.allclose(maps.abs().square().sum(1), torch.ones(2, 32, 28), atol=1e-5)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_on_a_gpu(trial):
    """A compact network of a GPU gives the image of the masked one, and is timed there."""
    stored = StoredNetwork.of(trial)
    model = stored.model.to("cuda")
    small, _ = compact(model)
    with torch.no_grad():
        inputs = noise(SHAPE, 1, torch.device("cuda"))
        a, b = model(*inputs), small(*inputs)
    assert (a - b).abs().max() < 1e-4 * a.abs().max()
    assert main(["speed", str(trial), "--runs", "2", "--batch", "1", "--device", "cuda"]) == 0
