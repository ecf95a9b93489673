"""Why a target is not the image of its k-space: what somebody may have done to either is tried in turn."""

from collections.abc import Callable, Mapping
from itertools import product

import torch
from torch import Tensor

from datasets.samples import crop_to_target

AGREES = 1e-6
"""Normalised squared error below which an image is the target: half precision gives 1e-7, other images 1e-3 or more."""
SAME_SCALE = 1e-3
"""Relative difference below which a factor is one: it makes that error."""
RESEMBLES = 0.98
"""Correlation above which two images show the same slice."""

Change = Callable[[Tensor], Tensor]
OF_IMAGE: Mapping[str, Change] = {
    "": lambda image: image,
    "its image is in the corners, not in the middle: apply fftshift to the image along both axes": (
        lambda image: image.roll((image.shape[-2] // 2, image.shape[-1] // 2), (-2, -1))
    ),
    "its image is shifted by half its rows: apply fftshift to the image along the rows": (
        lambda image: image.roll(image.shape[-2] // 2, -2)
    ),
    "its image is shifted by half its columns: apply fftshift to the image along the columns": (
        lambda image: image.roll(image.shape[-1] // 2, -1)
    ),
}
OF_TARGET: Mapping[str, Change] = {
    "": lambda target: target,
    "the target is upside down": lambda target: target.flip(-2),
    "the target is mirrored left to right": lambda target: target.flip(-1),
    "the target is turned by 180°": lambda target: target.flip(-2, -1),
    "the target is transposed": lambda target: target.mT,
    "the target is turned by 90° counterclockwise": lambda target: target.rot90(-1, (-2, -1)),
    "the target is turned by 90° clockwise": lambda target: target.rot90(1, (-2, -1)),
    "the target is transposed and turned by 180°": lambda target: target.mT.flip(-2, -1),
}


def mismatch(image: Tensor, target: Tensor) -> float:
    """Normalised squared error of an image ``(H, W)`` against a target ``(h, w)`` that is not zero."""
    image, target = _cropped(image, target)
    return float((image - target).square().sum() / target.square().sum())


def cause(image: Tensor, target: Tensor) -> str:
    """The most likely reason why an image is not the target: orientation, place, factor, or what else it may be."""
    likeness = 0.0
    for (of_image, move), (of_target, turn) in product(OF_IMAGE.items(), OF_TARGET.items()):
        moved, turned = _cropped(move(image), turn(target))
        factor = float((moved * turned).sum() / moved.square().sum())
        if mismatch(factor * moved, turned) <= AGREES:
            scale = "" if abs(factor - 1) < SAME_SCALE else f"the target is {factor:.6g} times as large"
            return ", and ".join(words for words in (of_image, of_target, scale) if words)
        likeness = max(likeness, float(torch.corrcoef(torch.stack([moved.flatten(), turned.flatten()]))[0, 1]))
    if likeness > RESEMBLES:
        return (
            f"it resembles it (correlation {likeness:.4f}) and no factor makes them equal: averages combined before "
            "the root of the sum, a filter, a correction of intensities, or a k-space that was changed?"
        )
    return f"normalised squared error {mismatch(image, target):.2g}; no orientation and no factor makes them equal"


def _cropped(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    cropped, truth = crop_to_target(image[None], target[None])
    return cropped[0], truth[0]
