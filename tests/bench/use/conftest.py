import pytest

from bench.cli import main


@pytest.fixture(scope="session")
def trained(tmp_path_factory, cache_root):
    """Folder of toy trials: the dense MoDL and one pruned by SNIP."""
    out = tmp_path_factory.mktemp("trained") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        patch.setenv("TQDM_DISABLE", "1")
        for pruner in ("dense", "snip"):
            command = ["run", "--arch", "modl", "--pruner", pruner, "--size", "toy", "--device", "cpu", "--quiet"]
            assert main([*command, "--out", str(out)]) == 0
    return out


@pytest.fixture
def dense(trained):
    (folder,) = trained.glob("modl-dense*")
    return folder


@pytest.fixture
def snip(trained):
    (folder,) = trained.glob("modl-snip*")
    return folder
