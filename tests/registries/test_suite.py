"""Whether the suite's sources are those of a commit."""

import subprocess

import pytest

from registries.suite import PACKAGES, sources_in


@pytest.fixture
def clone(tmp_path):
    """A clone of a suite of one file a package."""
    for name in (*PACKAGES, "docs"):
        (tmp_path / "suite" / name).mkdir(parents=True)
        (tmp_path / "suite" / name / "__init__.py").write_text(f'"""{name}."""\n')
    (tmp_path / "suite" / "bench" / "mini.toml").write_text("steps = 1\n")
    git(tmp_path / "suite", "init", "-q")
    commit(tmp_path / "suite")
    return tmp_path / "suite"


def git(folder, *command):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=folder, check=True)


def commit(folder):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")


@pytest.mark.parametrize(
    ("file", "edited"),
    [
        ("pruners/__init__.py", True),
        ("bench/mini.toml", True),
        ("pruners/mine.py", True),  # added
        ("pruners/ignored.py", True),  # it runs all the same
        ("pruners/notes.txt", False),
        ("docs/__init__.py", False),
        ("README.md", False),
    ],
)
def test_what_can_change_numbers_counts(clone, file, edited):
    (clone / ".gitignore").write_text("ignored.py\n")
    commit(clone)
    before = sources_in(clone)
    assert before.edited is False
    (clone / file).write_text("changed")
    after = sources_in(clone)
    assert (after.edited, after.commit) == (edited, before.commit)
    assert (after.fingerprint != before.fingerprint) == edited
    commit(clone)
    committed = sources_in(clone)
    assert committed.fingerprint == after.fingerprint
    if file != "pruners/ignored.py":
        assert committed.edited is False


def test_a_removed_file_counts_and_single_packages_can_be_asked_for(clone):
    (clone / "pruners" / "__init__.py").unlink()
    assert sources_in(clone).edited
    assert not sources_in(clone, ("datasets",)).edited


def test_without_a_repository_of_its_own_nobody_can_tell(clone, tmp_path):
    known = sources_in(clone)
    (clone / ".git").rename(tmp_path / "gone")
    assert (sources_in(clone).edited, sources_in(clone).commit) == (None, None)
    git(tmp_path, "init", "-q")  # that of somebody else's project around it
    assert (sources_in(clone).edited, sources_in(clone).commit) == (None, None)
    assert sources_in(clone).fingerprint == known.fingerprint
