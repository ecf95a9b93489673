"""The test volumes in which fastMRI+ marks a finding."""

from datasets.annotations import Annotations
from datasets.manifest import Manifest
from datasets.roots import ANATOMIES
from datasets.splits.contract import UnavailableError, split
from datasets.volumes import Volume


@split(
    version=1,
    source="fastMRI+ (Zhao et al. 2022, arXiv:2109.03812)",
    folders=[f"{anatomy}/multicoil_val" for anatomy in ANATOMIES],
)
def fastmri_plus(manifest: Manifest, annotations: Annotations | None) -> tuple[Volume, ...]:
    """Test volumes of both anatomies with a fastMRI+ finding: a stratum of knee and brain, not a shift."""
    if annotations is None:
        raise UnavailableError(
            "no fastMRI+ annotations; put its CSV files in ROOT/fastmri_plus or name --annotations DIR"
        )
    volumes = tuple(
        volume
        for volume in manifest.volumes
        if volume.folder == "multicoil_val" and annotations.status(volume) == "finding"
    )
    if not volumes:
        raise UnavailableError(f"none of the test volumes has a finding in {annotations.folder}")
    return volumes
