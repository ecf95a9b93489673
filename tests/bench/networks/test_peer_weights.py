"""State dicts and checkpoints of fastMRI's VarNet, in the forms in which they are saved, give fastMRI's own output."""

import argparse
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from fastmri.models import VarNet as PeerVarNet

from architectures import architectures
from bench.cli import main
from bench.networks.pretrained import load_given
from registries import RequestError
from tests.bench.toy import toy_plan

SMALL = {"cascades": 2, "channels": 4, "pools": 2, "sensitivity_channels": 2, "sensitivity_pools": 2}
"""Of fastMRI's network, whose U-Net gives the coil maps themselves; here that is size paper alone."""
TRIAL = {"arch": "e2e-varnet", "pruner": "magnitude", "timing": "after", "size": "small", "track": "toy"}


def fastmris(**sizes):
    torch.manual_seed(0)
    peer = PeerVarNet(**sizes).eval().requires_grad_(False)
    for cascade in peer.cascades:
        cascade.dc_weight.fill_(0.7)
    return peer


@pytest.fixture
def small(override):
    """fastMRI's VarNet at a small size, which here is a size of that name."""
    entry = architectures.get("e2e-varnet")
    override(architectures, replace(entry, sizes={**entry.sizes, "small": SMALL}))
    return fastmris(num_cascades=2, sens_chans=2, sens_pools=2, chans=4, pools=2)


@pytest.fixture
def callback(monkeypatch):
    """A class of Lightning, by which older checkpoints name the states of callbacks."""
    module = ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": module.__name__})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.ModelCheckpoint


def checkpoint(state, callback=str):
    """What Lightning saves of fastMRI's VarNetModule, after a training with paths and numbers of numpy around."""
    weights = [torch.nn.Parameter(value.float().clone()) for value in state.values()][:2]
    optimizer = torch.optim.Adam(weights)
    sum(weight.square().sum() for weight in weights).backward()
    optimizer.step()
    metrics = {f"{name}.quantity": torch.zeros(()) for name in ("NMSE", "SSIM", "PSNR", "ValLoss")}
    varnet = {f"varnet.{name}": value for name, value in state.items()}
    return {
        "epoch": 49,
        "global_step": 1000,
        "pytorch-lightning_version": "1.0.6",
        "state_dict": {
            **varnet,
            "loss.w": torch.ones(1),
            **metrics,
        },
        "callbacks": {callback: {"best_model_path": Path("epoch=49.ckpt"), "best_model_score": np.float64(0.9)}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [{"step_size": 40, "_last_lr": [np.float32(1e-3)]}],
        "hyper_parameters": argparse.Namespace(chans=4, data_path=Path("data"), more=defaultdict(list, mode=["train"])),
    }


def assert_same_output(ours, peer, shape):
    """In float64, where nothing but the network could make a difference."""
    draw = torch.Generator().manual_seed(0)
    mask = torch.rand(1, 1, 1, shape[-1], generator=draw) < 0.3
    mask[..., shape[-1] // 2 - 3 : shape[-1] // 2 + 3] = True
    kspace = 50 * torch.randn(shape, dtype=torch.complex128, generator=draw) * mask
    with torch.no_grad():
        found = ours.double().eval()(kspace, mask, kspace)
        expected = peer.double()(torch.view_as_real(kspace), mask[..., None])
    assert (found - expected).abs().max() < 1e-11 * expected.abs().max()


FORMS = {
    "published.pt": lambda state: state,
    "devices.pt": lambda state: {f"module.{name}": value for name, value in state.items()},
    "half.pt": lambda state: {name: value.half() for name, value in state.items()},
    "bfloat16.pt": lambda state: {"model": {name: value.bfloat16() for name, value in state.items()}},
    "lightning.ckpt": checkpoint,
    "nested.ckpt": lambda s: {
        "state_dict": {f"module.varnet.{name}": v for name, v in s.items()} | {"w": torch.ones(1)}
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_fastmris_output_through_the_plan_of_a_run(small, tmp_path, form):
    content = FORMS[form](small.state_dict())
    torch.save(content, tmp_path / form)
    planned = toy_plan(tmp_path, **TRIAL, dense_weights=str(tmp_path / form))
    ours = planned.workspace.initial_model()
    ours.load_state_dict(planned.workspace.given)
    for kind in (torch.float16, torch.bfloat16):
        if kind in {value.dtype for value in content.get("model", content).values() if isinstance(value, torch.Tensor)}:
            small.load_state_dict({name: value.to(kind) for name, value in small.state_dict().items()})
    assert_same_output(ours, small, (1, 3, 45, 37))


def test_callbacks_named_by_their_class_are_no_obstacle(small, tmp_path, callback, monkeypatch):
    torch.save(checkpoint(small.state_dict(), callback), tmp_path / "old.ckpt")
    monkeypatch.delitem(sys.modules, callback.__module__)  # nothing of it is imported
    ours = toy_plan(tmp_path, **TRIAL).workspace.initial_model()
    ours.load_state_dict(load_given(tmp_path / "old.ckpt", ours))
    assert_same_output(ours, small, (1, 3, 48, 40))
    assert callback.__module__ not in sys.modules


def test_files_of_torch_before_archives_are_read(small, tmp_path, callback):
    """Their objects cannot be listed beforehand: numbers of numpy are not among those expected."""
    content = {
        **checkpoint(small.state_dict()),
        "callbacks": {callback: {"best_model_score": 0.9}},
        "lr_schedulers": [],
    }
    torch.save(content, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    ours = toy_plan(tmp_path, **TRIAL).workspace.initial_model()
    assert load_given(tmp_path / "old.ckpt", ours).keys() == small.state_dict().keys()


def test_a_checkpoint_of_another_size_says_which_one_fits(small, tmp_path):
    torch.save(checkpoint(small.state_dict()), tmp_path / "small.ckpt")
    with pytest.raises(RequestError, match=r"unknown, e\.g\. '.*'|names are missing") as caught:
        toy_plan(tmp_path, **{**TRIAL, "size": "mini"}, dense_weights=str(tmp_path / "small.ckpt"))
    assert str(caught.value).endswith("; it fits --arch e2e-varnet --size toy or --arch e2e-varnet --size small")
    assert "\n" not in str(caught.value)


def test_a_run_starts_from_a_checkpoint(small, tmp_path, capsys):
    torch.save(checkpoint(small.state_dict()), tmp_path / "fastmri.ckpt")
    words = [f"--{name}={value}" for name, value in TRIAL.items()]
    given = ["--dense-weights", str(tmp_path / "fastmri.ckpt"), "--out", str(tmp_path / "results")]
    assert main(["run", *words, "--device", "cpu", "--quiet", *given]) == 0
    (tmp_path / "fastmri.ckpt").write_bytes((tmp_path / "fastmri.ckpt").read_bytes()[:-5000])
    capsys.readouterr()
    assert main(["run", *words, "--device", "cpu", "--quiet", *given]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"bench: --dense-weights {tmp_path / 'fastmri.ckpt'}: ")


@pytest.mark.show
def test_the_published_size_in_half_precision_from_a_checkpoint(tmp_path):
    peer = fastmris()
    assert sum(parameter.numel() for parameter in peer.parameters()) == 29_936_966
    state = {name: value.half() for name, value in peer.state_dict().items()}
    peer.load_state_dict(state)
    torch.save(checkpoint(state), tmp_path / "fastmri.ckpt")
    ours = architectures.get("e2e-varnet").construct(**architectures.get("e2e-varnet").sizes["paper"])
    ours.load_state_dict(load_given(tmp_path / "fastmri.ckpt", ours))
    assert_same_output(ours, peer, (1, 4, 96, 80))
