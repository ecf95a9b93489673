"""Training steps of the suite's networks beside their peers: deepinv's MoDL and fastMRI's VarNet."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from architectures import Architecture, architectures, build
from architectures.models.modl import MoDL
from architectures.tuning import VARIANTS
from bench.machine.numerics import set_numerics
from bench.machine.randomness import generator
from bench.speed.inputs import Shape, noise
from bench.speed.timing import device_name, interleaved_times, median_ratio, peak_memory_mb
from registries.text import aligned, plural

PEERS = {"modl": "deepinv MoDL", "e2e-varnet": "fastMRI VarNet"}
"""Entry → the peer that computes the same: equal denoiser, unrolls, conjugate-gradient steps, output."""


@dataclass(frozen=True)
class Network:
    """One row of the table.

    Attributes
    ----------
    entry : str
        Architecture.
    variant : str
        One of `VARIANTS`, or empty for the plain network.
    peer : bool
        The peer of the entry instead.
    """

    entry: str
    variant: str = ""
    peer: bool = False

    def __str__(self) -> str:
        return PEERS[self.entry] if self.peer else f"{self.entry} {self.variant}".strip()


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes
    ----------
    size : str
        Of the networks.
    coils, rows, columns : int
        Of the k-space of one slice.
    device : str
    threads : int
    """

    size: str
    coils: int
    rows: int
    columns: int
    device: str
    threads: int

    def inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """k-space, sampling mask and coil maps of noise, on the device."""
        return noise(Shape(self.coils, self.rows, self.columns), 1, torch.device(self.device))


def measure(case: Case, runs: int, variants: Sequence[str] = ()) -> Iterator[str]:
    """Lines of a table: median forward and training-step time, ratios to the peer and to the plain network, memory.

    Parameters
    ----------
    case : Case
    runs : int
        Of each network, in turn.
    variants : sequence of str
        Of `VARIANTS`: every architecture is also measured in these.
    """
    set_numerics(case.threads)
    device = torch.device(case.device)
    networks = [*_networks(case, variants)]
    forwards = interleaved_times({str(n): _without_gradient(_forward(case, n)) for n in networks}, runs, device)
    steps = interleaved_times({str(n): _step(case, n) for n in networks}, runs, device)
    rows = [["network", "", "forward ms", "step ms", "step / peer", "step / plain", "peak MiB of a step"]]
    for network in networks:
        own = steps[str(network)]
        beside = [Network(network.entry, peer=True)] if network.entry in PEERS and not network.peer else []
        plain = [Network(network.entry)] if network.variant else []
        ratios = [
            "".join(f"{median_ratio(own, steps[str(other)]):.2f}" for other in group) for group in (beside, plain)
        ]
        memory = peak_memory_mb(partial(_prepared_step, case, network), device)
        times = [_milliseconds(forwards[str(network)]), _milliseconds(own)]
        rows.append([str(network), "", *times, *ratios, "n/a" if memory is None else f"{memory:.0f}"])
    threads = "" if device.type == "cuda" else f", {plural(case.threads, 'thread')}"
    yield f"size {case.size}, one slice of {case.coils} coils, {case.rows} × {case.columns}"
    yield f"{device_name(device)}{threads}; {runs} runs in turn"
    yield "forward without gradients; peers keep what the plain networks keep"
    yield from aligned(rows)


def _networks(case: Case, variants: Sequence[str]) -> Iterator[Network]:
    for name in architectures.names():
        yield Network(name)
        yield from (Network(name, variant) for variant in variants)
    yield from (Network(name, peer=True) for name in PEERS)


def _milliseconds(times: list[float]) -> str:
    return f"{1000 * sorted(times)[len(times) // 2]:.1f}"


def _without_gradient(forward: Callable[[], Tensor]) -> Callable[[], object]:
    def run() -> None:
        with torch.no_grad():
            forward()

    return run


def _prepared_step(case: Case, network: Network) -> Callable[[], object]:
    set_numerics(case.threads)  # for a process of its own
    return _step(case, network)


def _step(case: Case, network: Network) -> Callable[[], object]:
    forward = _forward(case, network)

    def step() -> None:
        forward().sum().backward()  # type: ignore[no-untyped-call]

    return step


def _forward(case: Case, network: Network) -> Callable[[], Tensor]:
    model = _model(case, network).to(case.device)
    kspace, mask, maps = case.inputs()
    if network.peer:
        if isinstance(model, MoDL):
            return deepinv_modl(model, kspace, mask, maps)
        return fastmri_varnet(model, case.size, kspace, mask)
    if network.variant in VARIANTS:
        VARIANTS[network.variant](model)
    return lambda: model(kspace, mask, maps)


def _model(case: Case, network: Network) -> Architecture:
    return build(network.entry, case.size, generator(0, "speed", network.entry))


class _Residual(nn.Module):
    """Our denoiser as deepinv calls one: image + N(image), with a noise level that it does not use."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, sigma: object = None) -> Tensor:
        residual: Tensor = self.network(image)
        return image + residual


def deepinv_modl(model: MoDL, kspace: Tensor, mask: Tensor, maps: Tensor) -> Callable[[], Tensor]:
    """The same MoDL by deepinv: equal denoiser, λ, unrolls, conjugate-gradient steps and order of both."""
    from deepinv.models import MoDL as PeerMoDL
    from deepinv.physics import MultiCoilMRI

    height, width = kspace.shape[-2:]
    sampled = mask[..., :1, :].to(torch.float32)
    # without a device it takes mask and maps to the CPU
    physics = MultiCoilMRI(mask=sampled, coil_maps=maps, img_size=(2, height, width), device=kspace.device)
    # explicit backward, and a tolerance that no step reaches, so that both do the same number of steps
    physics.implicit_backward_solver = False
    physics.set_ls_solver("CG", max_iter=model.iterations, tol=1e-30)
    peer = PeerMoDL(_Residual(model.denoiser), num_iter=model.unrolls).to(kspace.device)
    peer.fixed_point.iterator.g_first = True  # denoise, then solve
    with torch.no_grad():
        for step_size in peer.init_params_algo["stepsize"]:
            step_size.copy_((-model.log_lambda).exp())
    data = torch.view_as_real(kspace).movedim(-1, 1).contiguous()

    def forward() -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Tensor = peer(data, physics)
            magnitude: Tensor = torch.linalg.vector_norm(image, dim=1)
            return magnitude

    return forward


def fastmri_varnet(model: Architecture, size: str, kspace: Tensor, mask: Tensor) -> Callable[[], Tensor]:
    """The same E2E-VarNet by fastMRI, with the same weights; its coil maps are never residual, which costs nothing."""
    from fastmri.models import VarNet as PeerVarNet

    sizes = architectures.get("e2e-varnet").arguments(size)
    peer = PeerVarNet(
        sizes["cascades"],
        sizes["sensitivity_channels"],
        sizes["sensitivity_pools"],
        sizes["channels"],
        sizes["pools"],
    ).to(kspace.device)
    peer.load_state_dict(model.state_dict())
    data = torch.view_as_real(kspace)
    return lambda: peer(data, mask[..., None])
