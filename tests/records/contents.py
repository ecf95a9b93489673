"""Contents of records that are changed in one place and stay consistent in the others."""

from typing import Any

MAIN = ("psnr", "ssim", "nmse")


def with_means(content):
    """The same, with the means of its splits, plain and under shifts, taken anew from its volumes."""
    groups: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
    for row in content["volumes"]:
        groups.setdefault((row["split"], row["shift"]), []).append(row)
    metrics: dict[str, Any] = {}
    shifts: dict[str, dict[str, Any]] = {}
    for (split, shift), own in groups.items():
        means = {name: sum(row[name] for row in own) / len(own) for name in MAIN}
        found = {**means, "volumes": len(own), "patients": len({row["patient"] for row in own})}
        if shift is None:
            metrics[split] = found
        else:
            shifts.setdefault(split, {})[shift] = found
    return {**content, "metrics": metrics, "shifts": shifts}


def with_sparsity(content, sparsity):
    """The same, with so many weights kept, the first ones of the network."""
    mask = content["mask"]
    kept = left = round(mask["prunable"] * (1 - float(sparsity)))
    layers = []
    for layer in mask["layers"]:
        layers.append({**layer, "kept": min(left, layer["total"])})
        left -= layers[-1]["kept"]
    size = mask["parameters"] - mask["prunable"] + kept
    counts = {"kept": kept, "achieved": 1 - kept / mask["prunable"], "compression": mask["parameters"] / size}
    return {**content, "mask": {**mask, **counts, "requested": sparsity, "layers": layers}}
