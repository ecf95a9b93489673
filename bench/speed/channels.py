"""What removing channels buys in time, without any training: random ones of untrained networks."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from architectures import Architecture, architectures, build
from bench.machine.macs import forward_macs
from bench.machine.numerics import set_numerics
from bench.machine.randomness import generator
from bench.networks.compact import compact
from bench.speed.inputs import Shape, noise
from bench.speed.networks import forward, relative_difference
from bench.speed.timing import device_name, interleaved_times, median_ratio
from pruners import Mask
from pruners.channels import Channels
from pruners.coupling import coupled, has_channels
from registries.text import aligned, plural


@dataclass(frozen=True)
class Place:
    """Where and how often is measured.

    Attributes
    ----------
    device : str
    threads, runs : int
    """

    device: str
    threads: int
    runs: int


def channels_table(
    names: tuple[str, ...], size: str, ratios: tuple[float, ...], shape: Shape, where: Place
) -> Iterator[str]:
    """Latency of dense, masked and compacted networks at fractions of channels removed from every layer.

    Parameters
    ----------
    names : tuple of str
        Architectures; all if empty.
    size : str
    ratios : tuple of float
        Of the channels of each layer.
    shape : Shape
        Of one slice.
    where : Place
    """
    threads, runs = where.threads, where.runs
    set_numerics(threads)
    place = torch.device(where.device)
    yield f"size {size}, one slice of {shape}; {device_name(place)}, {plural(threads, 'thread')}; {runs} runs in turn"
    head = ["architecture", "", "channels removed", "weights removed", "dense / masked", "dense / compacted"]
    rows = [[*head, "MACs, dense / compacted", "difference"]]
    inputs = noise(shape, 1, place)
    for name in names or architectures.names():
        if not has_channels(build(name, size, generator(0, "speed", name)).networks()):
            rows.append([name, "", "n/a: its channels cannot be pruned", *[""] * (len(rows[0]) - 3)])
            continue
        for ratio in ratios:
            networks, removed, mask = _networks(name, size, ratio)
            difference = relative_difference(networks["masked"], networks["compacted"], shape)
            calls = {kind: forward(model.to(place), inputs) for kind, model in networks.items()}
            times = interleaved_times(calls, runs, place)
            gains = [f"{median_ratio(times['dense'], times[kind]):.2f}" for kind in ("masked", "compacted")]
            macs = {kind: forward_macs(networks[kind], mask, inputs)["dense"] for kind in ("dense", "compacted")}
            theory = f"{macs['dense'] / macs['compacted']:.2f}"
            shares = [f"{100 * removed:.0f} %", f"{100 * (1 - mask.density):.0f} %"]
            rows.append([name, "", *shares, *gains, theory, f"{difference:.1e}"])
    yield from aligned(rows)


def _networks(name: str, size: str, ratio: float) -> tuple[dict[str, Architecture], float, Mask]:
    """Dense, masked and compacted network, fraction of channels removed, mask."""
    dense = build(name, size, generator(0, "speed", name)).eval().requires_grad_(False)
    masked = build(name, size, generator(0, "speed", name)).eval().requires_grad_(False)
    weights = {weight: part.weight for weight, part in masked.prunable().items()}
    channels = coupled(masked.networks(), weights)
    mask = channels.mask(_some(channels, ratio))
    mask.apply_(weights)
    removed = 1 - channels.number_kept(mask) / channels.total
    return {"dense": dense, "masked": masked, "compacted": compact(masked)[0]}, removed, mask


def _some(channels: Channels, ratio: float) -> dict[str, torch.Tensor]:
    """At least one channel of each layer, at random."""
    scores = channels.random_scores(generator(0, "speed", "channels"))
    found = {}
    for name, score in scores.items():
        flags = torch.zeros(score.numel(), dtype=torch.bool)
        flags[score.argsort(descending=True)[: max(1, round((1 - ratio) * score.numel()))]] = True
        found[name] = flags
    return found
