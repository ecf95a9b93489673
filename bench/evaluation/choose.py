"""Which volumes and slices are scored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from bench.evaluation.scoring import TestData, choose_slices, choose_volumes
from bench.tracks.settings import EvaluationSettings
from datasets.annotations import Annotations
from datasets.manifest import Manifest
from datasets.samples import Preparation
from datasets.splits import UnavailableError, splits
from datasets.undersampling import Undersampling
from datasets.volumes import Volume
from registries import RequestError


@dataclass(frozen=True)
class Source:
    """Volumes to choose from.

    Attributes
    ----------
    manifest : Manifest
    annotations : Annotations or None
    beside : str or None
        A folder whose volumes count as test volumes of their anatomy, beside those that always do.
    """

    manifest: Manifest
    annotations: Annotations | None
    beside: str | None = None


def choose_test_data(
    settings: EvaluationSettings, source: Source, preparation: Preparation, device: torch.device
) -> tuple[TestData, dict[str, str]]:
    """Test volumes by split with their slices, and the splits that the data do not hold, with the reason.

    Raises
    ------
    RequestError
        If there is nothing to evaluate on.
    """
    chosen, unavailable = {}, {}
    for name in settings.splits:
        more = source.manifest.select(name, source.beside) if source.beside else ()
        try:
            found = splits.get(name).select(source.manifest, source.annotations)
        except UnavailableError as reason:
            found = ()
            if not more:
                unavailable[name] = str(reason)
        if found or more:
            chosen[name] = choose_volumes([*found, *more], settings)
    if not chosen:
        raise RequestError(f"nothing to evaluate on: {'; '.join(f'{n}: {r}' for n, r in unavailable.items())}")
    volumes = [volume for part in chosen.values() for volume in part]
    known = source.annotations
    marked = {v.name: rows for v in volumes if known and (rows := known.of(v))}
    slices = {v.name: choose_slices(v, marked.get(v.name, ()), settings.slices) for v in volumes}
    return TestData(chosen, slices, marked, preparation, device), unavailable


def check_calibration(volumes: Iterable[Volume], undersampling: Undersampling) -> None:
    """Refuse an acceleration that leaves no calibration line.

    Raises
    ------
    RequestError
        Naming the first such volume.
    """
    for volume in volumes:
        if undersampling.centre_lines(volume.columns) < 1:
            raise RequestError(
                f"--acceleration {undersampling.acceleration}: leaves no calibration line of the {volume.columns} "
                f"columns of {volume.name}; use a smaller one"
            )


def unavailable_shifts(missing: Mapping[str, str]) -> dict[str, str]:
    """Reasons why there is a shift not, as they stand in records."""
    return {f"shift {name}": reason for name, reason in missing.items()}
