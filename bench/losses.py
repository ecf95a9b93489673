"""Training losses between the magnitude image and fastMRI's target."""

from collections.abc import Callable

import fastmri
import torch
from torch import Tensor
from torch.nn import functional

from datasets.samples import Samples, crop_to_target

Loss = Callable[[Tensor, Samples], Tensor]


def image_loss(name: str) -> Loss:
    """A loss by name: mean ``l1`` or ``mse`` in scaled units, or 1 − SSIM with the volume's maximum (``ssim``)."""
    if name == "ssim":
        structural = fastmri.SSIMLoss()

        def ssim(image: Tensor, target: Tensor, maximum: Tensor) -> Tensor:
            loss: Tensor = structural.to(image.device)(image[:, None], target[:, None], data_range=maximum)
            return loss

        measure = ssim
    else:
        plain = {"l1": functional.l1_loss, "mse": functional.mse_loss}[name]

        def pointwise(image: Tensor, target: Tensor, maximum: Tensor) -> Tensor:
            return plain(image, target)

        measure = pointwise

    def loss(image: Tensor, samples: Samples) -> Tensor:
        return measure(*crop_to_target(image, samples.target), samples.maximum)

    return loss


def mean_psnr(image: Tensor, samples: Samples) -> float:
    """PSNR of images ``(B, H, W)`` in dB, each in the range of its own target; mean over the batch."""
    found, truth = crop_to_target(image, samples.target)
    errors = (found - truth).square().mean(dim=(-2, -1))
    return float((20 * torch.log10(truth.amax(dim=(-2, -1))) - 10 * torch.log10(errors)).mean())
