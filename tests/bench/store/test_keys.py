"""Whatever can change a result changes the key."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from bench.store.keys import Context, stage_key
from bench.store.reading import STAGE
from bench.tracks.track import tracks
from bench.trials.report import heading
from bench.trials.run import run
from pruners import Given, LearnMask, Prune, Rewind, Stage, Train, Transform
from pruners.gradual import Gradual
from pruners.methods.rigl import GrowByGradient
from pruners.methods.set import GrowAtRandom
from registries import Identity
from registries.hashing import content_key
from tests.bench.toy import toy_plan
from tests.datasets.volumes import write_volume

CONTEXT = Context(
    architecture=Identity("modl", 1, "built-in"),
    size="toy",
    width=1.0,
    variant={},
    data="some data",
    train_on="knee",
    preparation={"acceleration": 4},
    training={"steps": 10},
    groups="all",
    seed=0,
    protocol="standard",
    numerics={"device": "cpu", "threads": 1},
)
OTHER: dict[str, Any] = {
    "architecture": Identity("modl", 2, "built-in"),
    "size": "demo",
    "width": 0.5,
    "variant": {"init": "normal-0.02"},
    "data": "other data",
    "train_on": "brain",
    "preparation": {"acceleration": 8},
    "training": {"steps": 11},
    "groups": "denoiser",
    "seed": 1,
    "protocol": "equal-total",
    "numerics": {"device": "cuda", "threads": 1},
    "edits": "some",
}


@pytest.mark.parametrize("name", [field.name for field in fields(Context)])
def test_every_circumstance_counts(name):
    assert replace(CONTEXT, **{name: OTHER[name]}).key != CONTEXT.key


def test_every_value_of_a_stage_counts():
    entry = Identity("snip", 1, "built-in")
    prune = Prune("snip", "0.9", "global", (("batches", 8),))
    learn = LearnMask("0.9", "global", 10)
    gradual = Gradual("snip", "0.9", "global", (), (3, 6))
    train = Train(0, 10, gradual)
    other: dict[Stage, dict[str, Any]] = {
        prune: {
            "score": "grasp",
            "sparsity": "0.95",
            "scope": "erk",
            "options": (("batches", 4),),
            "rounds": 2,
            "revives": True,
            "lowest": True,
            "version": 2,
        },
        learn: {
            "sparsity": "0.95",
            "scope": "erk",
            "steps": 11,
            "joint": True,
            "temperature": 1.0,
            "final_temperature": 0.1,
            "kl": 0.0,
            "kl_unit": "loss",
            "kl_over": "layers",
            "probability": 0.1,
            "rate": 0.2,
            "straight_through": True,
            "protect_last": True,
            "lowest": True,
            "version": 5,
        },
        train: {"start": 1, "stop": 11, "update": replace(gradual, steps=(3, 7)), "choices": 4, "version": 2},
        Rewind(0): {"to": 1, "version": 2},
        Transform("shuffle"): {"control": "reinit", "version": 2},
        Given(10, "a"): {"steps": 11, "sha256": "b", "version": 2},
    }
    keys = {stage_key(CONTEXT.key, Train(0, 10), ())}
    number = 1
    for stage, changes in other.items():
        assert set(changes) == {field.name for field in fields(stage)}
        found = [stage, *(replace(stage, **{name: value}) for name, value in changes.items())]
        keys |= {stage_key(CONTEXT.key, each, (entry,)) for each in found}
        keys |= {stage_key(CONTEXT.key, stage, (replace(entry, version=2),)), stage_key("other", stage, (entry,))}
        keys.add(stage_key(CONTEXT.key, stage, (replace(entry, origin="sha256:0"),)))
        number += len(found) + 3
    grow, evolve = GrowByGradient(0.3, (3,), 6), GrowAtRandom(0.3, (3,))
    keys |= {stage_key(CONTEXT.key, replace(train, update=update), (entry,)) for update in (grow, evolve)}
    assert len(keys) == number + 2


CHANGES: dict[str, dict[str, Any]] = {
    "seed": {"seed": 1},
    "training set": {"train_on": "brain"},
    "acceleration": {"acceleration": 8},
    "steps": {"settings": ("train.steps=5",)},
    "batch": {"settings": ("train.batch=2",)},
    "learning rate": {"settings": ("train.learning_rate=0.1",)},
    "warm-up": {"settings": ("train.warm_up=0.5",)},
    "clipping": {"settings": ("train.clip=2",)},
    "weight decay": {"settings": ("train.weight_decay=0.1",)},
    "loss": {"settings": ("train.loss=mse",)},
    "precision": {"settings": ("train.precision=bf16",)},
    "maps": {"settings": ("maps.kind=espirit",)},
    "groups": {"settings": ("pruner.groups=denoiser",)},
    "weight decay of a control": {"pruner": "dense", "control": "wd"},
    "protocol": {"protocol": "equal-total", "settings": ("pruner.batches=2",)},
    "size": {"size": "demo", "track": "toy"},
}
OF_THE_TRACK = {
    "pattern": {"data": {"pattern": "equispaced"}},
    "readout": {"data": {"crop_readout": False}},
    "training slices": {"data": {"train_slices": 1}},
    "threads": {"threads": 2},
    "simulation": {"simulation": {"seed": 9}},
}


@pytest.fixture
def changed_toy(override):
    """Changes the track `toy` in place of its file."""

    def change(values):
        toy = tracks.get("toy")
        parts = {n: replace(getattr(toy, n), **v) if isinstance(v, dict) else v for n, v in values.items()}
        override(tracks, replace(toy, **parts))

    return change


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_settings_of_a_run_reach_the_key(tmp_path, name):
    assert toy_plan(tmp_path, **CHANGES[name]).context.key != toy_plan(tmp_path).context.key


@pytest.mark.parametrize("name", sorted(OF_THE_TRACK))
def test_settings_of_a_track_reach_the_key(tmp_path, changed_toy, name):
    before = toy_plan(tmp_path).context.key
    changed_toy(OF_THE_TRACK[name])
    assert toy_plan(tmp_path).context.key != before


def test_versions_reach_the_key(tmp_path, monkeypatch):
    before = toy_plan(tmp_path)
    folder = before.folder
    monkeypatch.setattr("datasets.samples.VERSION", 99)
    assert toy_plan(tmp_path).context.key != before.context.key
    monkeypatch.undo()
    monkeypatch.setenv("PUNBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("bench.evaluation.scoring.VERSION", 99)
    after = toy_plan(tmp_path)
    assert after.context.key == before.context.key
    assert after.folder != folder


def test_the_version_of_samples_of_real_data_reaches_their_keys_alone(tmp_path, monkeypatch):
    """What is published stands on simulated data, whose samples are what they were."""
    for name in ("knee/multicoil_train/a", "knee/multicoil_val/b"):
        write_volume(tmp_path / "data" / f"{name}.h5")
    roots = (None, str(tmp_path / "data"))
    before = [toy_plan(tmp_path / "out", data=root).context.key for root in roots]
    monkeypatch.setattr("datasets.samples.VERSION_OF_REAL_DATA", 99)
    after = [toy_plan(tmp_path / "out", data=root).context.key for root in roots]
    assert [key == other for key, other in zip(before, after, strict=True)] == [True, False]


def test_what_decides_nothing_leaves_the_key_alone(tmp_path):
    base = toy_plan(tmp_path).context.key
    assert toy_plan(tmp_path, pruner="magnitude").context.key == base
    assert toy_plan(tmp_path / "elsewhere").context.key == base


def test_annotations_that_choose_the_training_volumes_reach_the_key(tmp_path, simulated_root):
    from datasets.annotations import COLUMNS

    (tmp_path / "knee.csv").write_text(",".join(COLUMNS) + "\n")
    stems = [f"simulated_knee_{part}_{i:04d}" for part in ("train", "val") for i in range(3)]
    (tmp_path / "knee_file_list.csv").write_text("\n".join(stems))
    plans = [
        toy_plan(tmp_path / "out", data=str(simulated_root), train_on="knee-clean", annotations=folder)
        for folder in (None, str(tmp_path))
    ]
    assert len({len(planned.data.training.training) for planned in plans}) == 2
    assert plans[0].context.key != plans[1].context.key


def test_a_box_that_moves_changes_the_trial_id_and_not_the_training(tmp_path, simulated_root):
    plans = []
    for x in (3, 4):
        folder = tmp_path / str(x)
        folder.mkdir()
        stem = "simulated_knee_val_0000"
        (folder / "knee.csv").write_text(
            f"file,slice,study_level,x,y,width,height,label\n{stem},0,No,{x},5,6,6,Meniscus Tear\n"
        )
        (folder / "knee_file_list.csv").write_text(f"{stem}\n")
        plans.append(toy_plan(tmp_path / "out", data=str(simulated_root), annotations=str(folder)))
    assert plans[0].context.key == plans[1].context.key
    assert plans[0].folder != plans[1].folder


def test_the_trial_id_knows_what_is_evaluated_and_the_track(tmp_path, changed_toy):
    folders = [toy_plan(tmp_path).folder]
    for change in (
        {"evaluation": {"slices": 2}},
        {"evaluation": {"volumes": 1}},
        {"evaluation": {"splits": ("knee",)}},
    ):
        changed_toy(change)
        folders.append(toy_plan(tmp_path).folder)
    changed_toy({"name": "other"})
    folders.append(toy_plan(tmp_path, track="other").folder)
    folders += [toy_plan(tmp_path, pruner="random").folder, toy_plan(tmp_path, sparsity="0.8").folder]
    assert len(set(folders)) == len(folders)


def test_edited_sources_of_the_suite_share_nothing_with_those_of_a_commit(tmp_path, suite_of):
    """Neither stages nor scores of baselines, nor records, nor data and maps that the suite computes."""

    def kept(fingerprint, edited):
        suite_of(fingerprint, edited=edited)
        planned = toy_plan(tmp_path)
        simulated = planned.data.root.place
        return planned.context.key, content_key(planned.evaluation_inputs), planned.folder, simulated

    clean, edited, edited_again = kept("1", False), kept("2", True), kept("3", True)
    assert all(len(set(values)) == 3 for values in zip(clean, edited, edited_again, strict=True))
    assert kept("2", True) == edited
    assert kept("2", False) == clean  # committed
    assert kept("2", None) == edited  # without git, where nobody can tell


def test_edits_are_said_in_one_line_and_kept_in_stages_and_records(tmp_path, suite_of):
    suite_of("0123456789abcdef", edited=True)
    planned = toy_plan(tmp_path)
    (line,) = [line for line in heading(planned) if "sources of the suite" in line]
    assert line == (
        "the sources of the suite are not those of commit a commit (0123456789ab): "
        "results are kept apart from those of commits"
    )
    record = run(planned, False, lambda said: None)
    assert (record.provenance.dirty, record.provenance.sources) == (True, "0123456789abcdef")
    stages = [json.loads(path.read_text())["stage"] for path in planned.store.glob(f"*/{STAGE}")]
    assert {stage["sources"] for stage in stages} == {"0123456789abcdef"}
    suite_of("0123456789abcdef", edited=False)
    assert not [line for line in heading(planned) if "sources of the suite" in line]
