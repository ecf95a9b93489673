"""Unrolled reconstruction networks: the contract they keep, their operators, and one file per architecture."""

from architectures.contract import (
    Architecture,
    ArchitectureEntry,
    Prunable,
    Variant,
    architecture,
    architectures,
    build,
)

__all__ = ["Architecture", "ArchitectureEntry", "Prunable", "Variant", "architecture", "architectures", "build"]
