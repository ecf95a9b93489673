"""Training steps of the suite's networks beside their peers: deepinv's MoDL and fastMRI's VarNet."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from architectures import Architecture, architectures, build
from architectures.modl import MoDL
from bench.numerics import set_numerics
from bench.randomness import generator
from bench.report import aligned
from bench.speed.measure import interleaved_times, median_ratio, peak_memory_mb
from datasets.undersampling import Undersampling

PEERS = {"deepinv MoDL": "modl", "fastMRI VarNet": "e2e-varnet"}
"""Peer → the entry it equals in denoiser, number of unrolls and conjugate-gradient steps."""


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
        draw = generator(0, "speed")
        shape = (1, self.coils, self.rows, self.columns)
        maps = torch.randn(shape, dtype=torch.complex64, generator=draw)
        maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
        mask = Undersampling(4).draw(self.columns, (0, self.columns), (0,))[0][None]
        kspace = torch.randn(shape, dtype=torch.complex64, generator=draw) * mask
        device = torch.device(self.device)
        return kspace.to(device), mask.to(device), maps.to(device)


def measure(case: Case, runs: int) -> Iterator[str]:
    """Lines of a table: median forward and training-step time, ratio to the peer, growth of peak memory."""
    set_numerics(case.threads)
    names = [*architectures.names(), *PEERS]
    device = torch.device(case.device)
    forwards = interleaved_times({name: _forward(case, name) for name in names}, runs, device)
    steps = interleaved_times({name: _step(case, name) for name in names}, runs, device)
    rows = [["network", "", "forward ms", "step ms", "step / peer", "peak MiB"]]
    peer_of = {entry: peer for peer, entry in PEERS.items()}
    for name in names:
        ratio = f"{median_ratio(steps[name], steps[peer_of[name]]):.2f}" if name in peer_of else ""
        memory = peak_memory_mb(partial(_step, case, name), device)
        times = [_milliseconds(forwards[name]), _milliseconds(steps[name])]
        rows.append([name, "", *times, ratio, "n/a" if memory is None else f"{memory:.0f}"])
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {case.threads} threads"
    yield f"size {case.size}, one slice of {case.coils} coils, {case.rows} × {case.columns}"
    yield f"{place}; {runs} runs in turn"
    yield from aligned(rows)


def _milliseconds(times: list[float]) -> str:
    return f"{1000 * sorted(times)[len(times) // 2]:.1f}"


def _step(case: Case, name: str) -> Callable[[], object]:
    forward = _forward(case, name)

    def step() -> None:
        forward().sum().backward()  # type: ignore[no-untyped-call]

    return step


def _forward(case: Case, name: str) -> Callable[[], Tensor]:
    entry = PEERS.get(name, name)
    model = build(entry, case.size, generator(0, "speed", entry)).to(case.device)
    kspace, mask, maps = case.inputs()
    if name == "deepinv MoDL":
        return _deepinv_modl(model, kspace, mask, maps)
    if name == "fastMRI VarNet":
        return _fastmri_varnet(model, case, kspace, mask)
    return lambda: model(kspace, mask, maps)


class _Residual(nn.Module):
    """Our denoiser as deepinv calls one: image + N(image), with a noise level that it does not use."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, sigma: object = None) -> Tensor:
        residual: Tensor = self.network(image)
        return image + residual


def _deepinv_modl(model: Architecture, kspace: Tensor, mask: Tensor, maps: Tensor) -> Callable[[], Tensor]:
    from deepinv.models import MoDL as PeerMoDL
    from deepinv.physics import MultiCoilMRI

    if not isinstance(model, MoDL):
        raise TypeError("deepinv's MoDL is the peer of MoDL alone")
    height, width = kspace.shape[-2:]
    physics = MultiCoilMRI(mask=mask[..., :1, :].to(torch.float32), coil_maps=maps, img_size=(2, height, width))
    # explicit backward, and a tolerance that no step reaches, so that both do the same number of steps
    physics.implicit_backward_solver = False
    physics.set_ls_solver("CG", max_iter=model.iterations, tol=1e-30)
    peer = PeerMoDL(_Residual(model.denoiser), num_iter=model.unrolls).to(kspace.device)
    data = torch.view_as_real(kspace).movedim(-1, 1).contiguous()

    def forward() -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Tensor = peer(data, physics)
            magnitude: Tensor = torch.linalg.vector_norm(image, dim=1)
            return magnitude

    return forward


def _fastmri_varnet(model: Architecture, case: Case, kspace: Tensor, mask: Tensor) -> Callable[[], Tensor]:
    from fastmri.models import VarNet as PeerVarNet

    sizes = architectures.get("e2e-varnet").arguments(case.size)
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
