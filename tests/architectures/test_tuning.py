"""Compiled networks are compiled as a whole, also beside others."""

from functools import partialmethod

import pytest
import torch
from torch import nn

from architectures import build, tuning


@pytest.fixture
def images(monkeypatch):
    """Compiles and calls two U-Nets of different width in one process, without generating code."""
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="eager"))

    def run():
        for width in (1.0, 0.5):
            model = build("modl-unet", "toy", torch.Generator().manual_seed(0), width).eval()
            tuning.use_compilation_(model)
            with torch.no_grad():
                model.denoiser(torch.ones(1, 2, 16, 16))

    torch._dynamo.reset()
    with torch._dynamo.config.patch(recompile_limit=1, fail_on_recompile_limit_hit=True):
        yield run
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_block_is_left_uncompiled(images):
    images()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_block_left_uncompiled_is_an_error(images, monkeypatch):
    monkeypatch.setattr(tuning, "COMPILATIONS", 1)
    with pytest.raises(Exception, match="recompile_limit_hit"):
        images()
