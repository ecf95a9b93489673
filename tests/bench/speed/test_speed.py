"""What `speed` compares is the same computation."""

import torch

from architectures import build
from architectures.models.modl import MoDL
from architectures.tuning import VARIANTS
from bench.machine.randomness import generator
from bench.speed.peers import Case, deepinv_modl, fastmri_varnet
from tests.pretended_device import pretended_device

CASE = Case("toy", coils=4, rows=32, columns=32, device="cpu", threads=1)


def relative(found, expected):
    return float((found - expected).norm() / expected.norm())


def test_deepinv_computes_our_modl():
    model = build("modl", "toy", generator(0, "test"))
    assert isinstance(model, MoDL)
    model.iterations = 60  # the peer starts its conjugate gradients elsewhere: equal when solved
    sample = CASE.inputs()
    with torch.no_grad():
        assert relative(deepinv_modl(model, *sample)(), model(*sample)) < 1e-4


def test_peers_stay_on_the_device():
    model = build("modl", "toy", generator(0, "test"))
    assert isinstance(model, MoDL)
    sample = CASE.inputs()
    with torch.no_grad():
        expected = deepinv_modl(model, *sample)()
        with pretended_device():
            there = [part.to("cuda") for part in sample]
            found = deepinv_modl(model.to("cuda"), *there)().cpu()
    assert torch.equal(found, expected)


def test_fastmri_computes_our_varnet():
    model = build("e2e-varnet", "toy", generator(0, "test"))
    model.sens_net.norm_unet.residual = False
    kspace, mask, maps = CASE.inputs()
    with torch.no_grad():
        assert relative(fastmri_varnet(model, "toy", kspace, mask)(), model(kspace, mask, maps)) < 1e-5


def test_channels_last_changes_nothing_but_the_order():
    plain, turned = (build("unrolled-unet", "toy", generator(0, "test")) for _ in range(2))
    VARIANTS["channels-last"](turned)
    weight = turned.get_parameter("unets.0.unet.up_conv.0.layers.0.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    sample = CASE.inputs()
    with torch.no_grad():
        assert relative(turned(*sample), plain(*sample)) < 1e-5
