"""Plans of thousands of trials: nothing is drawn, read or chosen for each of them again."""

from dataclasses import replace

import pytest

import bench.stages.workspace
from bench.tracks.track import find_track
from bench.trials.data import open_data
from bench.trials.plan import plan
from bench.trials.request import Request
from pruners import pruners

TOY = Request("modl", "dense", size="toy", track="toy", device="cpu")


@pytest.fixture(scope="module")
def opened(cache_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        return open_data(find_track("toy"), None, None)


@pytest.mark.parametrize("pruner", pruners.names())
def test_no_network_is_drawn_for_a_plan(opened, pruner, monkeypatch):
    def draw(*given, **named):
        raise AssertionError("a network is drawn")

    monkeypatch.setattr(bench.stages.workspace, "build", draw)
    sparsity = "0.5" if pruners.get(pruner).timings else None  # as much as goes where each layer keeps a channel
    assert plan(replace(TOY, pruner=pruner, sparsity=sparsity), opened).folder.name.startswith(f"modl-{pruner}")


def test_trials_share_their_data_where_they_are_the_same(opened):
    first = plan(TOY, opened)
    assert plan(replace(TOY, pruner="snip", seed=3), opened).data is first.data
    for other in (replace(TOY, acceleration=8), replace(TOY, shifts=("noise-20",)), replace(TOY, train_on="knee-1")):
        assert plan(other, opened).data is not first.data
