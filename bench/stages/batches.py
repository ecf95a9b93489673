"""Training batches as a pure function of (seed, purpose, step)."""

from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from bench.machine.ahead import ahead
from bench.machine.randomness import generator, seed_words
from datasets.samples import Preparation, Samples, prepare, shaped
from datasets.slices import read_slices
from datasets.volumes import Volume, by_hash, central_slices

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Most:
    """Slices that are used at most; 0 for all.

    Attributes
    ----------
    of_each : int
        Central slices of each volume.
    altogether : int
        Of volumes in the order of the hash of their names.
    """

    of_each: int = 0
    altogether: int = 0


class TrainingData:
    """The training slices of a trial, shuffled each epoch and freshly undersampled at each step.

    Slices of unequal shape never meet in a batch; nothing is padded. The last batch of each shape is filled up from
    the first ones of that epoch, so that every step sees the same number of slices.

    Parameters
    ----------
    volumes : sequence of Volume
    preparation : Preparation
    batch : int
        Slices per batch.
    seed : int
    most : Most, optional
    combine : bool
        Whether samples hold the SENSE combination of the fully sampled data.
    """

    def __init__(
        self,
        volumes: Sequence[Volume],
        preparation: Preparation,
        batch: int,
        seed: int,
        most: Most | None = None,
        combine: bool = False,
    ) -> None:
        self._combine = combine
        self._preparation = preparation
        self._batch_size = batch
        self._seed = seed
        self._volumes = tuple(volumes)
        self._most = most or Most()
        self._order = lru_cache(maxsize=4)(self._draw_order)

    @cached_property
    def _slices(self) -> list[tuple[Volume, int]]:
        """Made when it is needed: a sweep plans thousands of trials."""
        most = self._most
        chosen = by_hash(self._volumes) if most.altogether else self._volumes
        slices = [(v, index) for v in chosen for index in central_slices(v, most.of_each)]
        return slices[: most.altogether or None]

    def __len__(self) -> int:
        return len(self._slices)

    @property
    def batch_bytes(self) -> float:
        """What reading a batch takes, on average."""
        return self._batch_size * sum(volume.slice_bytes for volume, _ in self._slices) / len(self)

    def epoch(self, purpose: str) -> int:
        """Number of batches in which every slice is seen once."""
        return len(self._order(purpose, 0))

    def shapes(self, purpose: str) -> dict[int, int]:
        """One step for each shape of batches in the first epoch, and how many batches there have that shape.

        The manifest knows; nothing is read.
        """
        steps: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for step, indices in enumerate(self._order(purpose, 0)):
            steps[_shape(self._slices[indices[0]][0])].append(step)
        return {alike[0]: len(alike) for alike in steps.values()}

    def batch(self, step: int, purpose: str = "training", device: torch.device = CPU) -> Samples:
        """The batch of a step, on a device; other purposes see other orders and sampling masks."""
        return self.prepared(self.read(step, purpose), device)

    def shaped(self, step: int, purpose: str) -> Samples:
        """The batch of a step without values: see `datasets.samples.shaped`."""
        volume, _ = self._slices[self._order(purpose, 0)[step][0]]
        return shaped(volume, self._batch_size, self._preparation, self._combine)

    def read(self, step: int, purpose: str = "training") -> "RawBatch":
        """What the batch of a step is made from, as it lies in the files; several threads may read at once."""
        epoch, position = divmod(step, len(self._order(purpose, 0)))
        parts = []
        for place, index in enumerate(self._order(purpose, epoch)[position]):
            volume, slice_index = self._slices[index]
            kspace, target = map(torch.from_numpy, read_slices(volume, [slice_index]))
            parts.append((volume, kspace, target, seed_words(self._seed, purpose, "mask", step, place)))
        return RawBatch(tuple(parts))

    def prepared(self, raw: "RawBatch", device: torch.device) -> Samples:
        """Crop, undersample and scale on a device what was read."""
        return Samples.concatenate(
            [
                prepare(volume, (kspace, target), self._preparation, mask_seed, self._combine)
                for volume, kspace, target, mask_seed in raw.to(device).parts
            ]
        )

    def _draw_order(self, purpose: str, epoch: int) -> list[list[int]]:
        draw = generator(self._seed, purpose, "order", epoch)
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index in torch.randperm(len(self._slices), generator=draw).tolist():
            groups[_shape(self._slices[index][0])].append(index)
        size = self._batch_size
        batches = [
            [group[(first + i) % len(group)] for i in range(size)]
            for _, group in sorted(groups.items())
            for first in range(0, len(group), size)
        ]
        return [batches[i] for i in torch.randperm(len(batches), generator=draw).tolist()]


def _shape(volume: Volume) -> tuple[int, ...]:
    """Slices of equal ones can be a batch."""
    return (volume.coils, volume.rows, volume.columns, *volume.target_shape)


@dataclass(frozen=True)
class RawBatch:
    """Slices as they lie in the files.

    Attributes
    ----------
    parts : tuple
        Of each slice its volume, k-space ``(1, C, H, W)``, target ``(1, h, w)`` and the seed of its sampling mask.
    """

    parts: tuple[tuple[Volume, Tensor, Tensor, tuple[int, ...]], ...]

    def pinned(self) -> "RawBatch":
        """In memory from which a GPU copies while everything else goes on."""
        return RawBatch(tuple((v, k.pin_memory(), t.pin_memory(), s) for v, k, t, s in self.parts))

    def to(self, device: torch.device) -> "RawBatch":
        """The same on a device."""
        return RawBatch(
            tuple((v, k.to(device, non_blocking=True), t.to(device, non_blocking=True), s) for v, k, t, s in self.parts)
        )


@dataclass(frozen=True)
class BatchSource:
    """Training batches of one purpose, on a device.

    Attributes
    ----------
    data : TrainingData
    purpose : str
        Another one sees another order and other sampling masks.
    device : torch.device
    workers : int
        Threads that read ahead; where there is no GPU they also prepare what they read.
    """

    data: TrainingData
    purpose: str
    device: torch.device
    workers: int = 0

    def batch(self, step: int) -> Samples:
        """That of a step."""
        return self.data.batch(step, self.purpose, self.device)

    def batches(self, number: int, first: int = 0) -> Generator[Samples, None, None]:
        """So many, the next ones being read meanwhile."""
        steps = range(first, first + number)
        if self.device.type == "cpu":
            yield from ahead(self.batch, steps, self.workers)
            return
        for raw in ahead(self._pinned, steps, self.workers):
            yield self.data.prepared(raw, self.device)

    def read(self, step: int) -> RawBatch:
        """What that of a step is made from."""
        return self.data.read(step, self.purpose)

    def _pinned(self, step: int) -> RawBatch:
        return self.read(step).pinned()
