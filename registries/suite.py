"""The suite's own sources: their fingerprint, and whether they are those of a commit.

Results of edited sources are kept apart from those of the commit: the fingerprint is part of their keys.
"""

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from registries.hashing import content_key, file_hash

PACKAGES = ("registries", "records", "architectures", "pruners", "datasets", "bench")
"""Those whose code can change numbers."""
SUFFIXES = (".py", ".toml")


@dataclass(frozen=True)
class Sources:
    """Of packages of the suite.

    Attributes
    ----------
    fingerprint : str
        SHA-256 of the files' names and contents.
    commit : str or None
        None without git.
    edited : bool or None
        Whether a file of that commit was changed, or code was added; None without git, where nobody can tell.
    """

    fingerprint: str
    commit: str | None
    edited: bool | None


def sources_in(root: Path, packages: tuple[str, ...] = PACKAGES) -> Sources:
    """Those of a clone, as they are now."""
    files = [f for name in packages for f in sorted((root / name).rglob("*")) if f.suffix in SUFFIXES]
    fingerprint = content_key([[str(file.relative_to(root).as_posix()), file_hash(file)] for file in files])
    # a suite without a repository of its own may lie inside of one that does not know it
    known = _git(root, "ls-files", "--error-unmatch", f"{packages[0]}/__init__.py") is not None
    commit = _git(root, "rev-parse", "HEAD") if known else None
    changed = _git(root, "-c", "core.fileMode=false", "diff", "--name-only", "HEAD", "--", *packages)
    others = _git(root, "ls-files", "--others", "--", *packages)
    if commit is None or changed is None or others is None:
        return Sources(fingerprint, commit, None)
    added = any(name.strip('"').endswith(".py") for name in others.splitlines())
    return Sources(fingerprint, commit, bool(changed) or added)


@cache
def sources(packages: tuple[str, ...] = PACKAGES) -> Sources:
    """Those of this suite, as they were when this process first asked."""
    return sources_in(Path(__file__).resolve().parents[1], packages)


def edits(packages: tuple[str, ...] = PACKAGES) -> str:
    """Fingerprint of sources that are edited, as far as git can tell; empty where they are those of the commit."""
    found = sources(packages)
    return "" if found.edited is False else found.fingerprint


def _git(root: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
