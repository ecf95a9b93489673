"""The knee test volumes."""

from datasets.annotations import Annotations
from datasets.manifest import Manifest
from datasets.splits.contract import evaluation_volumes, split
from datasets.volumes import Volume


@split(
    version=1,
    source="fastMRI knee, multicoil_val (Zbontar et al. 2018, arXiv:1811.08839)",
    folders=["knee/multicoil_val"],
)
def knee(manifest: Manifest, annotations: Annotations | None) -> tuple[Volume, ...]:
    """Knee test volumes: knee/multicoil_val."""
    return evaluation_volumes(manifest, "knee")
