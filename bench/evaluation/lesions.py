"""Figures inside the boxes of findings, and inside sham boxes."""

from collections.abc import Sequence

import numpy as np

from bench.evaluation.metrics.volume import Image, similarity_map
from datasets.boxes import Box, sham_boxes

BOX_METRICS = ("ssim", "nmse", "contrast_error")
TINY = float(np.finfo(np.float32).tiny)


def lesion_metrics(target: Image, image: Image, boxes: Sequence[Box]) -> dict[str, float | None]:
    """Means over the boxes of a volume and over their sham boxes, for the boxes that have any.

    Parameters
    ----------
    target, image : ndarray
        ``(slices, rows, columns)``.
    boxes : sequence of Box
        Findings in those slices; may be empty.

    Returns
    -------
    dict
        ``boxes``: how many; ``compared``: how many of them have sham boxes; ``shams``: how many of those there are.
        ``lesion_…`` and ``sham_…`` (shams averaged per box first, so that every box counts once on either side):
        ``ssim``, the local SSIM map averaged inside; ``nmse`` inside; ``contrast_error``, how far the difference of
        the means inside and around is from that in the target, as a fraction of the target's mean around. None where
        no box is compared.
    """
    pairs = [(box, shams) for box, shams in zip(boxes, sham_boxes(target, boxes), strict=True) if shams]
    found: dict[str, float | None] = {
        "boxes": len(boxes),
        "compared": len(pairs),
        "shams": sum(len(shams) for _, shams in pairs),
    }
    similarity = similarity_map(target, image) if pairs else np.empty(0)
    for metric in BOX_METRICS:
        measure = {"ssim": _ssim, "nmse": _nmse, "contrast_error": _contrast_error}[metric]
        lesions = [measure(target, image, similarity, box) for box, _ in pairs]
        shams = [np.mean([measure(target, image, similarity, sham) for sham in group]) for _, group in pairs]
        found[f"lesion_{metric}"] = float(np.mean(lesions)) if pairs else None
        found[f"sham_{metric}"] = float(np.mean(shams)) if pairs else None
    return found


def _ssim(target: Image, image: Image, similarity: Image, box: Box) -> float:
    return float(similarity[box.inside].mean())


def _nmse(target: Image, image: Image, similarity: Image, box: Box) -> float:
    truth, found = target[box.inside], image[box.inside]
    return float(np.sum((truth - found) ** 2) / max(float(np.sum(truth**2)), TINY))


def _contrast_error(target: Image, image: Image, similarity: Image, box: Box) -> float:
    expected, seen = (float(part[box.inside].mean() - box.surround(part).mean()) for part in (target, image))
    return abs(seen - expected) / max(float(box.surround(target).mean()), TINY)
