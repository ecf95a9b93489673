"""Against fastMRI's own VarNet."""

import pytest
import torch
from fastmri.models import VarNet as PeerVarNet
from torch.func import functional_call

from architectures import architectures, build
from architectures.models.e2e_varnet import VarNet, e2e_varnet, sampled_centre
from architectures.operators import centred_fft, centred_ifft
from tests.architectures.models.test_modl import make_input


@pytest.mark.parametrize("shape", [(1, 4, 48, 40), (2, 3, 45, 37), (1, 1, 33, 50)])
def test_equal_weights_give_fastmris_output_to_rounding(shape):
    torch.manual_seed(0)
    peer = PeerVarNet(num_cascades=3, sens_chans=2, sens_pools=2, chans=4, pools=2)
    ours = e2e_varnet(3, 4, 2, 2, 2)
    assert isinstance(ours, VarNet)
    ours.load_state_dict(peer.state_dict())
    with torch.no_grad():
        for cascade, peer_cascade in zip(ours.cascades, peer.cascades, strict=True):
            peer_cascade.dc_weight.fill_(0.7)
            cascade.dc_weight.fill_(0.7)
        draw = torch.Generator().manual_seed(0)
        batch, _, _, columns = shape
        mask = torch.rand(batch, 1, 1, columns, generator=draw) < 0.3
        mask[..., columns // 2 - 3 : columns // 2 + 3] = True
        kspace = 50 * torch.randn(shape, dtype=torch.complex64, generator=draw) * mask
        found = ours(kspace, mask, kspace)
        expected = peer(torch.view_as_real(kspace), mask[..., None])
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_gradients_equal_fastmris():
    torch.manual_seed(0)
    peer = PeerVarNet(num_cascades=2, sens_chans=2, sens_pools=2, chans=4, pools=2)
    ours = e2e_varnet(2, 4, 2, 2, 2)
    ours.load_state_dict(peer.state_dict())
    draw = torch.Generator().manual_seed(0)
    mask = torch.rand(1, 1, 1, 36, generator=draw) < 0.4
    mask[..., 15:21] = True
    kspace = 10 * torch.randn(1, 3, 40, 36, dtype=torch.complex64, generator=draw) * mask
    ours(kspace, mask, kspace).square().sum().backward()
    peer(torch.view_as_real(kspace), mask[..., None]).square().sum().backward()
    largest = max(float(parameter.grad.abs().max()) for parameter in peer.parameters())
    for (name, a), (_, b) in zip(ours.named_parameters(), peer.named_parameters(), strict=True):
        assert a.grad is not None
        assert torch.allclose(a.grad, b.grad, rtol=1e-3, atol=1e-5 * largest), name


def test_paper_size_is_the_published_one_and_loads_its_state_dict():
    model = build("e2e-varnet", "paper", torch.Generator().manual_seed(0))
    assert sum(p.numel() for p in model.parameters()) == 29_936_966
    assert list(model.state_dict()) == list(PeerVarNet().state_dict())
    assert {part.group for part in model.prunable().values()} == {"denoiser", "sensitivity"}


def test_small_sizes_start_from_the_maps_of_the_calibration_lines():
    """The published network gives maps from nothing, which near a start of zero are constant."""
    torch.manual_seed(0)
    images = torch.randn(2, 3, 24, 20, dtype=torch.complex64)
    mask = torch.zeros(2, 1, 1, 20, dtype=torch.bool)
    mask[..., 7:13] = True
    centre = centred_ifft(centred_fft(images) * mask)
    own_maps = centre / centre.abs().square().sum(1, keepdim=True).sqrt()
    for size, follows in (("mini", True), ("paper", False)):
        entry = architectures.get("e2e-varnet")
        network = entry.construct(**entry.sizes[size]).sens_net
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            found = network(centred_fft(images), mask)
        assert torch.allclose(found, own_maps, atol=1e-4) is follows


@pytest.mark.parametrize("name", ["e2e-varnet", "unrolled-unet"])
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_recomputing_changes_nothing_but_memory(name, factor):
    """Also for other weights than the network's own, which is how pruners call it."""
    sample = make_input(height=20, width=24)
    results = []
    for recompute in (0, 1):
        entry = architectures.get(name)
        torch.manual_seed(0)
        model = entry.construct(**entry.sizes["toy"])
        model.recompute = bool(recompute)
        weights = {n: (factor * part.weight).detach().requires_grad_() for n, part in model.prunable().items()}
        image = functional_call(model, weights, sample)
        results.append((image, torch.autograd.grad(image.square().sum(), list(weights.values()))))
    assert torch.equal(results[0][0], results[1][0])
    assert all(torch.equal(a, b) for a, b in zip(results[0][1], results[1][1], strict=True))


def test_the_sampled_centre_is_the_symmetric_run_around_the_centre():
    lines = [
        ([0, 1, 0, 1, 1, 1, 1, 0, 0, 1], [3, 4, 5, 6]),
        ([1, 1, 1, 1, 1, 1, 1, 0, 0, 1], [3, 4, 5, 6]),
        ([0, 1, 0, 0, 0, 1, 0, 0, 0, 1], [5]),
        ([1] * 10, list(range(10))),
    ]
    mask = torch.tensor([line for line, _ in lines], dtype=torch.bool)[:, None, None, :]
    found = sampled_centre(mask)[:, 0, 0]
    assert [torch.nonzero(line).flatten().tolist() for line in found] == [expected for _, expected in lines]


def test_the_sampled_centre_of_a_2d_pattern_is_a_block():
    mask = torch.zeros(1, 1, 10, 8, dtype=torch.bool)
    mask[..., 4:7, 2:6] = True
    mask[..., ::4, 0] = True
    found = torch.nonzero(sampled_centre(mask)[0, 0])
    assert sorted(set(found[:, 0].tolist())) == [4, 5]  # a run of one row more on one side is not symmetric
    assert sorted(set(found[:, 1].tolist())) == [2, 3, 4, 5]
    mask[..., 3:7, 2:6] = True
    assert sorted(set(torch.nonzero(sampled_centre(mask)[0, 0])[:, 0].tolist())) == [3, 4, 5, 6]


def test_modl_unet_has_the_papers_31_million_parameters():
    model = build("modl-unet", "paper", torch.Generator().manual_seed(0))
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == 31.0
    assert model.unrolls == 6
