"""Every architecture keeps its contract, and each check fails on a network that is broken in just that way."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import nn

from architectures import architectures
from architectures.check_inputs import make_input
from architectures.checks import CHECKS, run_checks
from architectures.contract import ArchitectureEntry, build_entry
from architectures.models.modl import ConvolutionalDenoiser, MoDL
from registries import Identity
from tests.pretended_device import pretended_device


def failures(entry):
    return {name: message for name, verdict, message in run_checks(entry) if verdict == "FAIL"}


def skipped(entry):
    return {name: message for name, verdict, message in run_checks(entry) if verdict == "skip"}


@pytest.mark.parametrize("name", architectures.names())
def test_built_in_architectures_keep_their_contract(name):
    assert failures(architectures.get(name)) == {}


class Wrong(MoDL):
    """A MoDL with one thing wrong."""

    def __init__(self):
        super().__init__(ConvolutionalDenoiser(4, 3), 2, 2)


class HalfPrecision(Wrong):
    def forward(self, kspace, mask, maps):
        return super().forward(kspace, mask, maps).half()


class NothingToPrune(Wrong):
    def prunable(self, chosen="all"):
        return {}


class HiddenConvolution(Wrong):
    def prunable(self, chosen="all"):
        found = super().prunable(chosen)
        found.pop("denoiser.layers.2.weight")
        return found


class LostNetwork(Wrong):
    def networks(self):
        return {}


class DeadLayer(Wrong):
    def __init__(self):
        super().__init__()
        self.denoiser.unused = nn.Conv2d(2, 2, 3)


class FirstOrderOnly(Wrong):
    def forward(self, kspace, mask, maps):
        image = super().forward(kspace, mask, maps)
        return _Frozen.apply(image)


class _Frozen(torch.autograd.Function):
    """Doubles the image with a gradient that forgets where it came from."""

    @staticmethod
    def forward(ctx, image):
        return 2 * image

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient.detach()


class Noisy(Wrong):
    def forward(self, kspace, mask, maps):
        return super().forward(kspace, mask, maps) + 1e-3 * torch.rand(kspace.shape[0], *kspace.shape[2:])


class PhaseSensitive(Wrong):
    def forward(self, kspace, mask, maps):
        return super().forward(kspace + 0.1 * kspace.real, mask, maps)


class Dimmed(Wrong):
    def forward(self, kspace, mask, maps):
        return 0.9 * super().forward(kspace, mask, maps)


class Forgetful(Wrong):
    def __init__(self):
        super().__init__()
        self.gain = 1.0

    def forward(self, kspace, mask, maps):
        self.gain += 0.0 if torch.is_inference(kspace) else 0.01
        return self.gain * super().forward(kspace, mask, maps)


class Unsaved(Wrong):
    def state_dict(self, *args, **kwargs):
        return {name: value.round(decimals=1) for name, value in super().state_dict(*args, **kwargs).items()}


class Remembering(Wrong):
    """Keeps a copy of its first weights, beyond the reach of a mask."""

    first = None

    def forward(self, kspace, mask, maps):
        norm = sum(float(part.weight.detach().abs().sum()) for part in self.prunable().values())
        self.first = self.first or norm
        return super().forward(kspace, mask, maps) * (1 + 1e-3 * self.first)


class AddsToTheNorm(Wrong):
    """Normalises with an added constant, the old trap: nothing at a scale of 1, percents at that of fastMRI."""

    follows_scale = True

    def forward(self, kspace, mask, maps):
        norm = kspace.abs().amax()
        return super().forward(kspace / (norm + 1e-6), mask, maps) * norm


class OffByTheScaleOfTheDay(Wrong):
    """Gives another image when the k-space was scaled by another number, however close to 1 the result is."""

    def forward(self, kspace, mask, maps):
        seen = float(kspace.abs().sum())
        if not hasattr(self, "seen"):
            self.seen = seen
        return super().forward(kspace, mask, maps) * (1 if seen == self.seen else 1.001)


class BackToItsOwnWeights(Wrong):
    """Uses its own weights beside those in force, as a checkpointed module does in a call with other weights."""

    def __init__(self):
        super().__init__()
        self.own = list(self.denoiser.parameters())

    def forward(self, kspace, mask, maps):
        return super().forward(kspace, mask, maps) * (1 + 1e-3 * sum(weight.abs().sum() for weight in self.own))


class DividesByEnergy(Wrong):
    def forward(self, kspace, mask, maps):
        image = super().forward(kspace, mask, maps)
        largest = kspace.abs().amax()
        return image * (largest / largest)


class FarStart(Wrong):
    """A denoiser that begins by making the image much worse."""

    def __init__(self):
        super().__init__()
        self.denoiser.layers.append(nn.Upsample(scale_factor=1))
        self.denoiser.layers[-1].forward = lambda image: 20 * image


class FirstOrderOnlyForOneSample(FirstOrderOnly):
    """As torch's instance norm can be where the channels of one sample come last in memory."""

    def forward(self, kspace, mask, maps):
        return super().forward(kspace, mask, maps) if len(kspace) == 1 else 2 * Wrong.forward(self, kspace, mask, maps)


BROKEN = {
    FarStart: "start",
    HalfPrecision: "shapes and types",
    NothingToPrune: "prunable weights",
    HiddenConvolution: "prunable weights",
    LostNetwork: "plain networks",
    DeadLayer: "gradients",
    FirstOrderOnly: "second derivatives",
    FirstOrderOnlyForOneSample: "second derivatives",
    Noisy: "determinism",
    Forgetful: "determinism",
    PhaseSensitive: "phase invariance",
    Dimmed: "full data",
    Unsaved: "round trip",
    DividesByEnergy: "empty slices",
    AddsToTheNorm: "scale equivariance",
    OffByTheScaleOfTheDay: "scale equivariance",
    BackToItsOwnWeights: "masked weights",
    Remembering: "masked weights",
}


def entry_of(kind, needs=("maps",)):
    return ArchitectureEntry(
        name="wrong",
        summary="",
        source="",
        sharing="",
        needs=needs,
        sizes={"toy": {}},
        identity=Identity("wrong", 1, "built-in"),
        construct=kind,
    )


def test_the_base_of_the_broken_ones_is_sound():
    assert failures(entry_of(Wrong)) == {}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_each_check_finds_what_it_is_for(kind):
    assert BROKEN[kind] in failures(entry_of(kind))


def test_a_far_start_is_allowed_with_a_reason_and_measured():
    entry = replace(entry_of(FarStart), far_start="on purpose")
    found = {name: (verdict, message) for name, verdict, message in run_checks(entry)}["start"]
    assert found[0] == "ok"
    assert "of its norm" in found[1]
    assert found[1].endswith("on purpose")


def test_every_check_has_a_network_it_fails_on():
    tested = set(BROKEN.values())
    assert tested | {"devices"} == {check.__name__.replace("_", " ") for check in CHECKS}


def test_what_does_not_apply_says_why():
    assert skipped(entry_of(Wrong, needs=())).keys() >= {"phase invariance"}
    assert "phase invariance" not in skipped(entry_of(Wrong))


@pytest.mark.parametrize("name", ["modl-unet", "unrolled-unet", "e2e-varnet"])
@pytest.mark.parametrize("shape", [(1, 2, 9, 17), (1, 1, 16, 16)])
def test_small_images_pass_through_many_poolings(name, shape):
    entry = architectures.get(name)
    deep = replace(entry, sizes={"toy": {**entry.sizes["toy"], "pools": 4}})
    given = make_input(shape)
    image = given.of(build_entry(deep, "toy", torch.Generator().manual_seed(0)))
    assert image.shape == (1, *shape[2:])
    assert torch.isfinite(image).all()


def test_devices_finds_a_network_that_differs_on_the_gpu():
    class Different(Wrong):
        def forward(self, kspace, mask, maps):
            return super().forward(kspace, mask, maps) * (1.1 if kspace.is_cuda else 1)

    with nullcontext() if torch.cuda.is_available() else pretended_device():
        assert "devices" in failures(entry_of(Different))
