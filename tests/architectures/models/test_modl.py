import torch

from architectures import architectures, build
from architectures.operators import NormalOperator, conjugate_gradient, magnitude, sense_adjoint
from architectures.tuning import use_bfloat16_


def make_input(batch=1, coils=3, height=16, width=14):
    draw = torch.Generator().manual_seed(1)
    maps = torch.randn(batch, coils, height, width, dtype=torch.complex64, generator=draw)
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    mask = torch.rand(batch, 1, 1, width, generator=draw) < 0.5
    kspace = torch.randn(batch, coils, height, width, dtype=torch.complex64, generator=draw) * mask
    return kspace, mask, maps


def make_model(size="toy", seed=0):
    return build("modl", size, torch.Generator().manual_seed(seed))


def test_paper_size_has_the_papers_113_thousand_parameters():
    model = make_model("paper")
    assert sum(p.numel() for p in model.parameters()) == 113_155
    assert (model.unrolls, model.iterations) == (10, 10)


def test_every_size_builds():
    for size in architectures.get("modl").sizes:
        assert make_model(size).prunable()


def test_output_is_a_magnitude_image():
    image = make_model()(*make_input(batch=2))
    assert image.shape == (2, 16, 14)
    assert image.dtype == torch.float32
    assert (image >= 0).all()


def test_prunable_weights_are_the_convolutions_alone():
    model = make_model()
    state = model.state_dict()
    assert set(model.prunable()) == {name for name, value in state.items() if value.ndim == 4}
    assert {part.group for part in model.prunable().values()} == {"denoiser"}
    for name, part in model.prunable().items():
        assert part.weight.data_ptr() == state[name].data_ptr()


def test_initial_weights_are_a_function_of_the_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = make_model(seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    second, other = make_model(seed=3).state_dict(), make_model(seed=4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_zeroed_denoiser_leaves_proximal_data_consistency():
    model = make_model()
    with torch.no_grad():
        for part in model.prunable().values():
            part.weight.zero_()
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
        kspace, mask, maps = make_input()
        normal, data = NormalOperator.of(maps, mask), sense_adjoint(kspace, maps, mask)
        image, weight = data, model.INITIAL_LAMBDA
        for _ in range(model.unrolls):
            image = conjugate_gradient(lambda x: normal(x) + weight * x, data + weight * image, image, model.iterations)
        assert torch.allclose(model(kspace, mask, maps), magnitude(image), atol=1e-5)


def test_gradients_reach_every_parameter():
    model = make_model()
    model(*make_input()).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_bfloat16_stays_inside_the_cnn():
    reference, reduced = make_model(), make_model()
    use_bfloat16_(reduced)
    sample = make_input()
    exact, rounded = reference(*sample), reduced(*sample)
    assert rounded.dtype == torch.float32
    assert 0 < (exact - rounded).abs().max() < 0.02 * exact.abs().max()
