"""The brain test volumes."""

from datasets.annotations import Annotations
from datasets.manifest import Manifest
from datasets.splits.contract import evaluation_volumes, split
from datasets.volumes import Volume


@split(
    version=1,
    source="fastMRI brain, multicoil_val (Zbontar et al. 2018, arXiv:1811.08839)",
    folders=["brain/multicoil_val"],
)
def brain(manifest: Manifest, annotations: Annotations | None) -> tuple[Volume, ...]:
    """Brain test volumes: brain/multicoil_val."""
    return evaluation_volumes(manifest, "brain")
