"""Costs against counts by hand: one layer, one U-Net; a whole MoDL stands in test_training and test_evaluation."""

import torch

from architectures.models.modl import ConvolutionalDenoiser, MoDL
from architectures.models.unrolled_unet import UnrolledUNet
from bench.machine.macs import ConvolutionCounter, forward_macs
from bench.store.state import State
from datasets.samples import Samples
from pruners import Mask


def make_samples(rows, columns):
    draw = torch.Generator().manual_seed(0)
    maps = torch.randn(1, 2, rows, columns, dtype=torch.complex64, generator=draw)
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    mask = torch.ones(1, 1, 1, columns, dtype=torch.bool)
    one = torch.ones(1)
    return Samples(torch.randn_like(maps), mask, maps, torch.rand(1, rows, columns), one, one, torch.zeros(1, 0, 0))


def keep_only(model, chosen):
    full = State.of(model).mask
    return Mask({name: kept if name == chosen else torch.zeros_like(kept) for name, kept in full.items()})


def test_one_layer():
    """3 × 3, two channels to two, on 10 × 12 pixels: 36 products for each."""
    model, samples = MoDL(ConvolutionalDenoiser(2, layers=1), 1, 1), make_samples(10, 12)
    name, inputs = "denoiser.layers.0.weight", (samples.kspace, samples.mask, samples.maps)
    assert forward_macs(model, keep_only(model, name), inputs)["dense"] == 36 * 120
    assert forward_macs(model, keep_only(model, name), inputs)["kept"] == 36 * 120
    assert forward_macs(model, keep_only(model, None), inputs)["kept"] == 0
    with ConvolutionCounter(model) as counter:
        model(samples.kspace, samples.mask, samples.maps).sum().backward()
    assert counter.macs == 2 * 36 * 120  # forward, and the gradient of the weights; the input is data


def test_one_unet():
    """Two channels, one pooling, on 16 × 16 pixels."""
    model, samples = UnrolledUNet(2, 1, 1), make_samples(16, 16)
    fine, coarse, inputs = 16 * 16, 8 * 8, (samples.kspace, samples.mask, samples.maps)
    counts = {
        "down_sample_layers.0.layers.0.weight": 9 * 2 * 2 * fine,
        "down_sample_layers.0.layers.4.weight": 9 * 2 * 2 * fine,
        "conv.layers.0.weight": 9 * 2 * 4 * coarse,
        "conv.layers.4.weight": 9 * 4 * 4 * coarse,
        "up_transpose_conv.0.layers.0.weight": 4 * 4 * 2 * coarse,  # stride 2: once per input position
        "up_conv.0.0.layers.0.weight": 9 * 4 * 2 * fine,
        "up_conv.0.0.layers.4.weight": 9 * 2 * 2 * fine,
        "up_conv.0.1.weight": 2 * 2 * fine,
    }
    assert {f"unets.0.unet.{name}" for name in counts} == set(model.prunable())
    for name, count in counts.items():
        found = forward_macs(model, keep_only(model, f"unets.0.unet.{name}"), inputs)
        assert found["dense"] == sum(counts.values())
        assert found["kept"] == count, name
    with ConvolutionCounter(model) as counter, torch.no_grad():
        model(samples.kspace, samples.mask, samples.maps)
    assert counter.macs == sum(counts.values())
