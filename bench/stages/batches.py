"""Training batches as a pure function of (seed, purpose, step)."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch

from bench.machine.randomness import generator, seed_words
from datasets.samples import Preparation, Samples, prepare
from datasets.volumes import Volume, by_hash, central_slices, read_slices


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

    def batch(self, step: int, purpose: str = "training") -> Samples:
        """The batch of a step; other purposes see other orders and sampling masks."""
        epoch, position = divmod(step, len(self._order(purpose, 0)))
        indices = self._order(purpose, epoch)[position]
        return Samples.concatenate(
            [self._sample(index, seed_words(self._seed, purpose, "mask", step, i)) for i, index in enumerate(indices)]
        )

    def batches(self, number: int, purpose: str, first: int = 0) -> Iterator[Samples]:
        """So many batches of a purpose."""
        return (self.batch(step, purpose) for step in range(first, first + number))

    def _sample(self, index: int, mask_seed: tuple[int, ...]) -> Samples:
        volume, slice_index = self._slices[index]
        one = read_slices(volume, [slice_index])
        return prepare(volume, one, self._preparation, mask_seed, self._combine)

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
class BatchSource:
    """Training batches of one purpose, on a device.

    Attributes
    ----------
    data : TrainingData
    purpose : str
        Another one sees another order and other sampling masks.
    device : torch.device
    """

    data: TrainingData
    purpose: str
    device: torch.device

    def batch(self, step: int) -> Samples:
        """That of a step."""
        return self.data.batch(step, self.purpose).to(self.device)

    def batches(self, number: int, first: int = 0) -> Iterator[Samples]:
        """So many."""
        return (self.batch(step) for step in range(first, first + number))
