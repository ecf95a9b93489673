"""The user cache: data, manifests and coil maps; never results."""

import os
from pathlib import Path

import platformdirs

from registries import suite

VARIABLE = "PUNBENCH_CACHE"


def cache_folder(*parts: str) -> Path:
    """Path below ``$PUNBENCH_CACHE``, else below the platform's user cache; not created."""
    root = os.environ.get(VARIABLE) or platformdirs.user_cache_dir("pun-bench", appauthor=False)
    return Path(root).expanduser().joinpath(*parts)


def computed_folder(*parts: str) -> Path:
    """The same for what the package computes: in a folder of its own while its sources are edited."""
    edited = suite.edits(("datasets",))
    return cache_folder(*([f"edited-{edited[:12]}"] if edited else []), *parts)
