"""What a network has to beat: zero-filled, tuned CG-SENSE, the empty network; and the ceiling of its coil maps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from statistics import fmean

import torch
from torch import Tensor, nn

from architectures import Architecture
from architectures.operators import (
    NormalOperator,
    conjugate_gradient_steps,
    magnitude,
    sense_adjoint,
)
from bench.evaluation.scoring import Reconstruct
from bench.machine.randomness import seed_words
from bench.networks.reconstruct import reconstruct
from datasets.samples import Preparation, Samples, mean_psnr, prepare, root_sum_of_squares
from datasets.slices import read_slices
from datasets.volumes import Volume, by_hash, central_slices

VERSION = 1
"""Of all baselines; raised whenever one of them changes."""
LAMBDAS = (0.0, *(10 ** (exponent / 2) for exponent in range(-10, 4)))
ITERATIONS = 60
TUNING_SLICES = 8
TUNING_SEED = 0
"""Not the trial's: a baseline is one number for one set of data."""


@dataclass(frozen=True)
class CGSense:
    """Tikhonov-regularised SENSE by conjugate gradients (Pruessmann et al. 2001).

    Attributes
    ----------
    weight : float
        λ of ‖Ax − y‖² + λ‖x‖².
    iterations : int
    """

    weight: float
    iterations: int

    def __call__(self, samples: Samples) -> Tensor:
        """Reconstruct ``(B, H, W)``."""
        return next(islice(cg_sense_images(samples, self.weight), self.iterations - 1, None))


def cg_sense_images(samples: Samples, weight: float) -> Iterator[Tensor]:
    """Regularised SENSE images ``(B, H, W)`` after one step, two steps and so on."""
    normal = NormalOperator.of(samples.maps, samples.mask)
    right = sense_adjoint(samples.kspace, samples.maps, samples.mask)
    solutions = conjugate_gradient_steps(lambda x: normal(x) + weight * x, right, torch.zeros_like(right))
    return map(magnitude, solutions)


def zero_filled_image(samples: Samples) -> Tensor:
    """Root sum of squares of the zero-filled coil images."""
    return root_sum_of_squares(samples.kspace)


def oracle_image(samples: Samples) -> Tensor:
    """Fully sampled data combined through the maps: what a SENSE-type network could reach at best."""
    return magnitude(sense_adjoint(samples.kspace, samples.maps, samples.mask))


def empty_network(model: Architecture) -> Reconstruct:
    """A network at its initial scalars whose denoisers give zero: data consistency alone."""
    for module in model.denoisers():
        module.register_forward_hook(_zeros)
    model.eval()
    return partial(reconstruct, model)


@torch.no_grad()
def tune_cg_sense(volumes: Sequence[Volume], preparation: Preparation, device: torch.device) -> CGSense:
    """λ and number of iterations with the best mean PSNR on a few central slices of training volumes."""
    curves: dict[float, list[list[float]]] = {weight: [] for weight in LAMBDAS}
    for volume in by_hash(volumes)[:TUNING_SLICES]:
        samples = _central(volume, preparation, device)
        for weight, known in curves.items():
            known.append([mean_psnr(image, samples) for image in islice(cg_sense_images(samples, weight), ITERATIONS)])
    quality = {
        CGSense(weight, iterations): fmean(values)
        for weight, known in curves.items()
        for iterations, values in enumerate(zip(*known, strict=True), start=1)
    }
    return max(quality, key=lambda method: quality[method])


def _central(volume: Volume, preparation: Preparation, device: torch.device) -> Samples:
    kspace, target = (torch.from_numpy(part).to(device) for part in read_slices(volume, central_slices(volume, 1)))
    return prepare(volume, (kspace, target), preparation, seed_words(TUNING_SEED, "tuning", volume.name))


def _zeros(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
    return torch.zeros_like(output)
