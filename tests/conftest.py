"""What all tests share: a cache of their own, few threads, and where the real data may lie."""

from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import pytest
import torch

from registries.suite import PACKAGES, Sources

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _few_threads():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cache_root(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache_root, monkeypatch):
    monkeypatch.setenv("PUNBENCH_CACHE", str(cache_root))
    monkeypatch.delenv("PUNBENCH_DATA", raising=False)


def pytest_collection_modifyitems(items):
    """The longest come first, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: item.path.name not in ("test_readme.py", "test_cluster.py"))


OF_TRIALS = ("bench.trials.pictures.comparison", "bench.trials.pictures.save", "bench.evaluation.curves.picture")


@pytest.fixture(scope="session", autouse=True)
def _sketches():
    """The pictures of trials are drawn where a test asks for it (`drawn`): they take longer than a toy trial."""
    from matplotlib.figure import Figure

    from bench.evaluation import pictures

    def sketch(path, *rest):
        path.write_bytes(b"a picture")

    with pytest.MonkeyPatch.context() as patch:
        real = {name: patch_target(name) for name in OF_TRIALS}
        real |= {f"bench.evaluation.pictures.{name}": getattr(pictures, name) for name in ("layers", "findings")}
        patch.setattr("bench.trials.pictures.comparison", lambda examples, title: None)
        patch.setattr("bench.trials.pictures.save", lambda figure, path: sketch(path))
        patch.setattr("bench.evaluation.curves.picture", lambda stages, title: Figure((0.5, 0.5)))
        patch.setattr("bench.evaluation.pictures.layers", sketch)
        patch.setattr("bench.evaluation.pictures.findings", sketch)
        yield real


def patch_target(name):
    """What a dotted name stands for."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


@pytest.fixture
def drawn(_sketches, monkeypatch):
    """Pictures as users see them."""
    for name, function in _sketches.items():
        monkeypatch.setattr(name, function)


@pytest.fixture(scope="session")
def real_kspace():
    root = REAL_DATA / "real_kspace"
    if not root.is_dir():
        pytest.skip("the real k-space volumes lie beside the checkout and are absent here")
    return root


@pytest.fixture(scope="session")
def real_annotations():
    folder = REAL_DATA / "fastmri_plus"
    if not folder.is_dir():
        pytest.skip("the real fastMRI+ tables lie beside the checkout and are absent here")
    return folder


@pytest.fixture(scope="session")
def simulated_root(tmp_path_factory):
    from datasets.simulated import Simulation, simulate

    root = tmp_path_factory.mktemp("data") / "root"
    simulate(root, Simulation(3, 2, 1, 2, slices=2, matrix=32, coils=3, seed=4))
    return root


@pytest.fixture
def suite_of(monkeypatch):
    """The suite's sources are what is given, in this process: ``suite_of("fingerprint", edited=True)``."""

    def put(fingerprint, edited):
        found = Sources(fingerprint, "a commit", edited)
        monkeypatch.setattr("registries.suite.sources", lambda packages=PACKAGES: found)

    return put


@pytest.fixture
def override():
    """Entries in place of registered ones, until the test ends: ``override(pruners, entry)``."""
    with ExitStack() as stack:
        yield lambda registry, *entries: stack.enter_context(registry.override(*entries))
