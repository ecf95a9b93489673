"""The contract of an architecture as checks that anybody can run: ``python -m bench check architecture NAME``."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from architectures.check_inputs import Input, central_maps, largest, make_input, undersampled_input
from architectures.contract import Architecture, ArchitectureEntry, build_entry
from registries.checking import NotApplicableError, Outcome, carry_out, require

SHAPES = ((2, 3, 24, 20), (1, 5, 25, 19), (1, 1, 18, 33))
"""(batch, coils, rows, columns), odd sizes and a single coil among them."""
FAR_START = 1.2
"""Largest loss of an untrained network, relative to the same with denoisers that give zero."""
SCALES = (1e-6, 1e-3, 1.0, 1e3)


@dataclass(frozen=True)
class Subject:
    """An architecture under test, at size ``toy``.

    Attributes
    ----------
    entry : ArchitectureEntry
    """

    entry: ArchitectureEntry

    def make(self) -> Architecture:
        """A network; always with the same initial weights."""
        return build_entry(self.entry, "toy", torch.Generator().manual_seed(0))


def shapes_and_types(subject: Subject) -> None:
    """Any matrix size, coil count and pattern gives a finite float32 magnitude of the same size."""
    model = subject.make()
    for shape in SHAPES:
        for two_dimensional in (False, True):
            found = make_input(shape, two_dimensional).of(model)
            expected = (shape[0], shape[2], shape[3])
            require(tuple(found.shape) == expected, f"output {tuple(found.shape)} for input {shape}")
            require(found.dtype == torch.float32, f"output is {found.dtype}, not float32")
            require(bool(torch.isfinite(found).all() and (found >= 0).all()), f"no magnitude for input {shape}")


def scale_equivariance(subject: Subject) -> None:
    """The image follows the scale of its k-space: by itself where promised, else scaled to about 1 and back."""
    model = subject.make()
    given = make_input(SHAPES[0])
    expected = given.of(model)
    for factor in SCALES:
        kspace = factor * given.kspace
        scale = torch.tensor(1.0) if model.follows_scale else largest(kspace) / largest(given.kspace)
        found = Input(kspace / scale, given.mask, given.maps, given.image).of(model) * scale / factor
        require(_close(found, expected, 1e-4), f"the image changes at scale {factor:g}")


def phase_invariance(subject: Subject) -> None:
    """A global phase of the k-space changes nothing when maps are estimated anew; for networks that need maps."""
    if "maps" not in subject.entry.needs:
        raise NotApplicableError("estimates its own maps, so a magnitude may depend on the phase of its input")
    model = subject.make()
    given = make_input(SHAPES[0])
    results = []
    for turn in (1, complex(0.6, 0.8)):
        kspace = given.kspace * turn
        results.append(Input(kspace, given.mask, central_maps(kspace), given.image).of(model))
    require(_close(results[1], results[0], 1e-5), "the image changes with a global phase of the k-space")


def prunable_weights(subject: Subject) -> None:
    """Prunable weights are convolution weights of the state dict, all of the denoisers' among them."""
    model = subject.make()
    state, prunable = model.state_dict(), model.prunable()
    require(bool(prunable), "there is nothing to prune")
    for name, part in prunable.items():
        require(
            name in state and state[name].data_ptr() == part.weight.data_ptr(), f"'{name}' is not in the state dict"
        )
        require(part.weight.ndim == 4, f"'{name}' is no convolution weight")
        require(part.group in ("denoiser", "sensitivity"), f"'{name}' is of unknown group '{part.group}'")
    known = {id(part.weight) for part in prunable.values()}
    for denoiser in model.denoisers():
        for module in denoiser.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                require(id(module.weight) in known, "a convolution of a denoiser is not prunable")


def plain_networks(subject: Subject) -> None:
    """Every prunable weight lies in exactly one of the plain CNNs, which map two channels to two."""
    model = subject.make()
    names: list[str] = []
    for prefix, network in model.networks().items():
        require(model.get_submodule(prefix) is network, f"'{prefix}' is not the network's name in the model")
        found = network(torch.ones(1, 2, 32, 24))
        require(tuple(found.shape) == (1, 2, 32, 24), f"'{prefix}' maps two channels to {tuple(found.shape)}")
        names += [f"{prefix}.{name}" for name, _ in network.named_parameters()]
    for name in model.prunable():
        require(names.count(name) == 1, f"'{name}' lies in {names.count(name)} networks")


def gradients(subject: Subject) -> None:
    """The gradient reaches every prunable weight."""
    model = subject.make()
    make_input(SHAPES[0]).of(model).square().sum().backward()  # type: ignore[no-untyped-call]
    for name, part in model.prunable().items():
        gradient = part.weight.grad
        require(gradient is not None and bool(torch.isfinite(gradient).all()), f"no gradient at '{name}'")
        require(gradient is not None and bool(gradient.any()), f"the gradient at '{name}' is zero everywhere")


def second_derivatives(subject: Subject) -> None:
    """The Hessian along a direction equals the change of the gradient, in float64 and with smooth activations."""
    for shape in SHAPES[:2]:  # a single sample has memory layouts of its own, in which torch can go wrong
        _second_derivatives_at(subject, shape)


def _second_derivatives_at(subject: Subject, shape: tuple[int, int, int, int]) -> None:
    model = _smoothly_activated(subject.make()).double()
    given = make_input(shape)
    inputs = Input(given.kspace.to(torch.complex128), given.mask, given.maps.to(torch.complex128), given.image)
    weights = [part.weight for part in model.prunable().values()]
    draw = torch.Generator().manual_seed(3)
    direction = [torch.randn(w.shape, dtype=w.dtype, generator=draw) * w.detach().std() for w in weights]

    def slope(create_graph: bool) -> Tensor:
        loss = inputs.of(model).square().mean()
        gradient = torch.autograd.grad(loss, weights, create_graph=create_graph)
        return torch.stack([(g * d).sum() for g, d in zip(gradient, direction, strict=True)]).sum()

    def slope_at(step: float) -> float:
        with torch.no_grad():
            for weight, d in zip(weights, direction, strict=True):
                weight.add_(step * d)
        found = float(slope(create_graph=False))
        with torch.no_grad():
            for weight, d in zip(weights, direction, strict=True):
                weight.sub_(step * d)
        return found

    first = slope(create_graph=True)
    require(first.requires_grad, "the gradient cannot be differentiated")
    second = torch.autograd.grad(first, weights, allow_unused=True)
    exact = sum(float((h * d).sum()) for h, d in zip(second, direction, strict=True) if h is not None)
    measured = (slope_at(1e-4) - slope_at(-1e-4)) / 2e-4
    require(
        abs(exact - measured) <= 1e-3 * abs(measured),
        f"second derivative {exact:.6g}, by finite differences {measured:.6g}, at {shape[0]} sample(s)",
    )


def determinism(subject: Subject) -> None:
    """Equal generators give equal networks, and equal inputs equal images."""
    first, second, given = subject.make(), subject.make(), make_input(SHAPES[0])
    require(torch.equal(given.of(first), given.of(second)), "two networks of one generator differ")
    require(torch.equal(given.of(first), given.of(first)), "two calls with one input differ")


def full_data(subject: Subject) -> None:
    """With denoisers that give zero, fully sampled data synthesised from the maps come back, if promised."""
    model = subject.make()
    if not model.keeps_full_data:
        raise NotApplicableError("does not promise it")
    for denoiser in model.denoisers():
        denoiser.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    for shape in SHAPES:
        given = make_input(shape, full=True)
        with torch.no_grad():
            require(_close(given.of(model), given.image.abs(), 1e-4), f"fully sampled data change at {shape}")


def round_trip(subject: Subject) -> None:
    """A state dict loaded into a new network gives the same image."""
    first, second, given = subject.make(), subject.make(), make_input(SHAPES[0])
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.mul_(1 + 0.1 * torch.rand(parameter.shape, generator=draw))
    second.load_state_dict(first.state_dict())
    require(torch.equal(given.of(first), given.of(second)), "a state dict does not hold the whole network")


def masked_weights(subject: Subject) -> None:
    """What a pruned weight was has no influence: not through a copy, nor in a call with other weights."""
    given, draw = make_input(SHAPES[0]), torch.Generator().manual_seed(2)
    model, untouched = subject.make(), subject.make()
    given.of(model)  # whoever keeps copies makes them now
    with torch.no_grad():
        for part in model.prunable().values():
            part.weight[torch.rand(part.weight.shape, generator=draw) < 0.5] = 0
    fresh = subject.make()
    fresh.load_state_dict(model.state_dict())
    expected = given.of(fresh)
    require(torch.equal(given.of(model), expected), "a pruned weight still has influence")
    masked: dict[str, Tensor] = {name: part.weight for name, part in model.prunable().items()}
    called = functional_call(untouched, masked, (given.kspace, given.mask, given.maps))
    require(torch.equal(called, expected), "called with other weights, the network still uses its own")


def empty_slices(subject: Subject) -> None:
    """An empty slice gives a finite image and finite gradients."""
    model = subject.make()
    given = make_input(SHAPES[0])
    found = Input(0 * given.kspace, given.mask, given.maps, given.image).of(model)
    require(bool(torch.isfinite(found).all()), "an empty slice gives values that are not finite")
    found.sum().backward()  # type: ignore[no-untyped-call]
    finite = all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in model.parameters())
    require(finite, "an empty slice gives gradients that are not finite")


def devices(subject: Subject) -> None:
    """CPU and GPU agree, where there is a GPU."""
    if not torch.cuda.is_available():
        raise NotApplicableError("no CUDA device here")
    given = make_input(SHAPES[0])
    on_gpu = Input(given.kspace.cuda(), given.mask.cuda(), given.maps.cuda(), given.image)
    with torch.no_grad(), torch.backends.cudnn.flags(allow_tf32=False, deterministic=True):
        found, expected = on_gpu.of(subject.make().cuda()).cpu(), given.of(subject.make())
    require(_close(found, expected, 1e-3), "CPU and GPU disagree")


def start(subject: Subject) -> str:
    """The untrained network is at most 1.2 times as far from the image as with its denoisers off, or says why not."""
    model, given = subject.make(), undersampled_input()
    changes: list[float] = []

    def measure(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        changes.append(float(output.norm() / inputs[0].norm()))

    def silence(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return torch.zeros_like(output)

    def loss(hook: Callable[..., Tensor | None]) -> float:
        handles = [denoiser.register_forward_hook(hook) for denoiser in model.denoisers()]
        with torch.no_grad():
            found = float((given.of(model) - given.image.abs()).abs().mean())
        for handle in handles:
            handle.remove()
        return found

    untrained, empty = loss(measure), loss(silence)
    require(bool(changes), "no denoiser was called")
    share = untrained / empty
    entry = subject.entry
    message = (
        f"init {entry.init}: a denoiser changes its image by {min(changes):.2g} to {max(changes):.2g} of its norm, "
        f"loss {share:.2f} times that of the empty network"
    )
    require(
        share <= FAR_START or entry.far_start is not None, f"{message}; at most {FAR_START} unless far_start says why"
    )
    return message if share <= FAR_START else f"{message}: {entry.far_start}"


CHECKS: tuple[Callable[[Subject], str | None], ...] = (
    start,
    shapes_and_types,
    prunable_weights,
    plain_networks,
    gradients,
    second_derivatives,
    determinism,
    scale_equivariance,
    phase_invariance,
    full_data,
    round_trip,
    masked_weights,
    empty_slices,
    devices,
)


def run_checks(entry: ArchitectureEntry) -> Iterator[Outcome]:
    """The outcome of each check."""
    return carry_out(CHECKS, Subject(entry))


def _close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max())


def _smoothly_activated(model: Architecture) -> Architecture:
    """Replace ReLUs, whose kinks finite differences must not cross; in place where they were, as autograd keeps other
    values then.
    """
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU | nn.LeakyReLU | nn.PReLU):
                setattr(module, name, nn.SiLU(inplace=getattr(child, "inplace", False)))
    return model
