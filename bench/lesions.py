"""Figures inside the boxes of findings, and inside sham boxes."""

from collections.abc import Sequence

import numpy as np

from bench.metrics import Image, similarity_map
from datasets.boxes import Box, sham_boxes

COUNTS = ("boxes", "shams")
BOX_METRICS = ("ssim", "nmse", "contrast_error")


def lesion_metrics(target: Image, image: Image, boxes: Sequence[Box]) -> dict[str, float | None]:
    """Means over the boxes of a volume and over their sham boxes.

    Parameters
    ----------
    target, image : ndarray
        ``(slices, rows, columns)``.
    boxes : sequence of Box
        Findings in those slices; may be empty.

    Returns
    -------
    dict
        ``boxes`` and ``shams``: how many; ``lesion_…`` and ``sham_…``: ``ssim``, the local SSIM map averaged inside;
        ``nmse`` inside; ``contrast_error``, how far the difference of the means inside and around is from that in the
        target, as a fraction of the target's mean around. None where there is no box.
    """
    groups = {"lesion": tuple(boxes), "sham": sham_boxes(target, boxes)}
    found: dict[str, float | None] = {"boxes": len(groups["lesion"]), "shams": len(groups["sham"])}
    similarity = similarity_map(target, image) if boxes else None
    for name, members in groups.items():
        for metric in BOX_METRICS:
            values = [_box_metrics(target, image, similarity, box)[metric] for box in members]
            known = [value for value in values if value is not None]
            found[f"{name}_{metric}"] = float(np.mean(known)) if known else None
    return found


def _box_metrics(target: Image, image: Image, similarity: Image | None, box: Box) -> dict[str, float | None]:
    truth, found = target[box.inside], image[box.inside]
    power = float(np.sum(truth**2))
    return {
        "ssim": float(similarity[box.inside].mean()) if similarity is not None else None,
        "nmse": float(np.sum((truth - found) ** 2)) / power if power else None,
        "contrast_error": _contrast_error(target, image, box),
    }


def _contrast_error(target: Image, image: Image, box: Box) -> float | None:
    around = [box.surround(part) for part in (target, image)]
    if not around[0].size or not around[0].any():
        return None
    expected, seen = (
        float(part[box.inside].mean() - ring.mean()) for part, ring in zip((target, image), around, strict=True)
    )
    return abs(seen - expected) / float(around[0].mean())
