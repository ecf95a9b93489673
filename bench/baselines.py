"""What a network has to beat: zero-filled, tuned CG-SENSE, the empty network; and the ceiling of its coil maps."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from architectures import Architecture
from architectures.operators import (
    NormalOperator,
    conjugate_gradient,
    magnitude,
    sense_adjoint,
)
from bench.evaluation import Reconstruct
from bench.randomness import seed_words
from bench.training_data import central_slices
from datasets.samples import Preparation, Samples, crop_to_target, prepare, root_sum_of_squares
from datasets.volumes import Volume, read_slices

LAMBDAS = tuple(10 ** (exponent / 2) for exponent in range(-8, 2))
ITERATIONS = (2, 4, 6, 8, 10, 15, 20)
TUNING_SLICES = 8


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
        normal = NormalOperator.of(samples.maps, samples.mask)
        right = sense_adjoint(samples.kspace, samples.maps, samples.mask)
        solution = conjugate_gradient(
            lambda x: normal(x) + self.weight * x, right, torch.zeros_like(right), self.iterations
        )
        return magnitude(solution)


def zero_filled_image(samples: Samples) -> Tensor:
    """Root sum of squares of the zero-filled coil images."""
    return root_sum_of_squares(samples.kspace)


def oracle_image(samples: Samples) -> Tensor:
    """Fully sampled data combined through the maps: what a SENSE-type network could reach at best."""
    return magnitude(sense_adjoint(samples.full, samples.maps, torch.ones_like(samples.mask)))


def empty_network(model: Architecture) -> Reconstruct:
    """A network at its initial scalars whose denoisers give zero: data consistency alone."""
    for module in model.denoisers():
        module.register_forward_hook(_zeros)
    model.eval()
    return lambda samples: model(samples.kspace, samples.mask, samples.maps)


@torch.no_grad()
def tune_cg_sense(volumes: Sequence[Volume], preparation: Preparation, seed: int, device: torch.device) -> CGSense:
    """λ and number of iterations with the best mean PSNR on a few central slices of training volumes."""
    ordered = sorted(volumes, key=lambda volume: hashlib.sha256(volume.name.encode()).hexdigest())
    slices = [_central(v, preparation, seed).to(device) for v in ordered[:TUNING_SLICES]]
    candidates = [CGSense(weight, iterations) for weight in LAMBDAS for iterations in ITERATIONS]
    return max(candidates, key=lambda method: sum(_psnr(method(s), s) for s in slices))


def _central(volume: Volume, preparation: Preparation, seed: int) -> Samples:
    kspace, target = read_slices(volume, central_slices(volume.slices, 1))
    return prepare(volume, kspace, target, preparation, seed_words(seed, "tuning", volume.name))


def _psnr(image: Tensor, samples: Samples) -> float:
    found, truth = crop_to_target(image, samples.target)
    return float(20 * torch.log10(truth.max()) - 10 * torch.log10((found - truth).square().mean()))


def _zeros(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
    return torch.zeros_like(output)
