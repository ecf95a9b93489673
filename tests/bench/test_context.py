"""Whatever can change a result changes the key."""

from dataclasses import fields, replace

import pytest

from bench.context import Context, stage_key
from pruners import Prune, Train
from registries import Identity

CONTEXT = Context(
    architecture=Identity("modl", 1, "built-in"),
    size="toy",
    data="some data",
    train_on="knee",
    preparation={"acceleration": 4},
    training={"steps": 10},
    seed=0,
    protocol="standard",
    numerics={"device": "cpu", "threads": 1},
)
OTHER = {
    "architecture": Identity("modl", 2, "built-in"),
    "size": "demo",
    "data": "other data",
    "train_on": "brain",
    "preparation": {"acceleration": 8},
    "training": {"steps": 11},
    "seed": 1,
    "protocol": "equal-total",
    "numerics": {"device": "cuda", "threads": 1},
}


@pytest.mark.parametrize("name", [field.name for field in fields(Context)])
def test_every_circumstance_counts(name):
    assert replace(CONTEXT, **{name: OTHER[name]}).key != CONTEXT.key


def test_every_value_of_a_stage_counts():
    entry = Identity("snip", 1, "built-in")
    stage = Prune("snip", "0.9", "global", (("batches", 8),))
    key = stage_key(CONTEXT.key, stage, entry)
    others = [
        stage_key(CONTEXT.key, replace(stage, score="grasp"), entry),
        stage_key(CONTEXT.key, replace(stage, sparsity="0.95"), entry),
        stage_key(CONTEXT.key, replace(stage, scope="erk"), entry),
        stage_key(CONTEXT.key, replace(stage, options=(("batches", 4),)), entry),
        stage_key(CONTEXT.key, replace(stage, version=2), entry),
        stage_key(CONTEXT.key, stage, replace(entry, version=2)),
        stage_key(CONTEXT.key, stage, replace(entry, origin="sha256:0")),
        stage_key(key, stage, entry),
        stage_key(CONTEXT.key, Train(0, 10), None),
        stage_key(CONTEXT.key, Train(1, 10), None),
        stage_key(CONTEXT.key, Train(0, 11), None),
    ]
    assert len({key, *others}) == len(others) + 1


def test_settings_of_a_run_reach_the_key(tmp_path):
    """Each in turn, on real plans: another value, another key; what decides nothing decides nothing."""
    from tests.bench.toy import toy_plan

    def key(**changes):
        return toy_plan(**{"out": tmp_path, **changes}).context.key

    base = key()
    assert key(pruner="magnitude") == base
    assert key(out=str(tmp_path / "elsewhere")) == base
    changes = [
        {"seed": 1},
        {"train_on": "brain"},
        {"acceleration": 8},
        {"settings": ("train.steps=5",)},
        {"settings": ("train.batch=2",)},
        {"settings": ("train.learning_rate=0.1",)},
        {"settings": ("train.warm_up=0.5",)},
        {"settings": ("train.clip=2",)},
        {"settings": ("train.weight_decay=0.1",)},
        {"settings": ("train.loss=mse",)},
        {"settings": ("train.precision=bf16",)},
        {"settings": ("maps.kind=espirit",)},
        {"size": "demo", "track": "toy"},
    ]
    keys = [key(**change) for change in changes]
    assert len({base, *keys}) == len(keys) + 1
