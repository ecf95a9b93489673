import os
from dataclasses import replace
from pathlib import Path

import pytest

import bench.tracks
from bench.tracks.track import load_track, tracks
from bench.trials.request import Request, resolve
from registries import RequestError

TOY = (Path(bench.tracks.__file__).parent / "toy.toml").read_text()

CONTRAST = "\n[[contrasts]]\na = '{}'\nb = 'modl/dense'\nsplit = 'knee'\n"


def test_built_in_tracks_are_valid():
    assert {"demo", "toy"} <= set(tracks.names())


def test_extended_is_on_the_data_and_the_budget_of_mini():
    """Its rows are to be read beside those of mini."""
    mini, extended = tracks.get("mini"), tracks.get("extended")
    for name in ("simulation", "data", "maps", "training", "budgets", "evaluation", "protocol", "threads"):
        assert getattr(extended, name) == getattr(mini, name), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text + "\nvolumez = 3\n", "unknown key 'volumez'"),
        (lambda text: "colour = 'red'\n" + text, "unknown key 'colour'"),
        (lambda text: text.replace("steps = 12\n", ""), "key 'steps' is missing"),
        (lambda text: text.replace("steps = 12", 'steps = "12"'), "'12' is not of type int"),
        (lambda text: text.replace("steps = 12", "steps = -12"), "steps: -12 is out of range"),
        (lambda text: text.replace("2e-3", "nan"), "learning_rate: nan is out of range"),
        (lambda text: text.replace('"l1"', '"l3"'), "unknown value 'l3': did you mean l1? there are ssim"),
        (
            lambda text: text + "\n[data]\ncentre = 1.5",
            "[data], centre: 1.5 is out of range: it must be above 0 and below 1",
        ),
        (lambda text: text + "\n[training.modll]\nsteps = 3", "there is no architecture 'modll'; use e2e-varnet"),
        (lambda text: text + "\n[training.modl]\nstep = 3", "[training.modl]: unknown key 'step'"),
        (lambda text: text + "\n[[contrasts]]\na = []\nb = 'modl/dense'\n", "'a' is an empty list"),
        (lambda text: text.replace("[training]", "[[training]]"), "write the training as one [training]"),
        (
            lambda text: text.replace("matrix = 32", "matrix = 1"),
            "[simulation], matrix: 1 is out of range: it must be at least 16",
        ),
        (lambda text: text.replace("slices = 2", "slices = 0"), "[simulation], slices: 0 is out of range"),
        (
            lambda text: text.replace("threads = 1", "threads = 1000000"),
            "threads: 1000000 is out of range: it must be at least 1 and at most 1024",
        ),
        (lambda text: text.replace("batch = 1", "batch = 10000000000"), "batch: 10000000000 is out of range"),
        (lambda text: text + CONTRAST.format("modl/snipp/at-init/0.9"), "unknown pruner 'snipp': did you mean snip"),
        (lambda text: text + CONTRAST.format("modll/dense"), "unknown architecture 'modll': did you mean modl"),
        (lambda text: text + CONTRAST.format("modl/rigl/at-init/0.9"), "'rigl' has while"),
        (lambda text: text + CONTRAST.format("modl/snip/at-init/0.90"), "write 'modl/snip/at-init/0.90' as"),
        (lambda text: text + CONTRAST.format("modl/snip"), "contrast: 'modl/snip' does not exist"),
        (lambda text: text + CONTRAST.format("modl/dense") + "metric = 'beauty'", "a contrast is in 'beauty'"),
        (lambda text: text + "[", "track"),
    ],
)
def test_wrong_tracks_are_named(tmp_path, change, message):
    path = tmp_path / "mine.toml"
    path.write_text(change(TOY))
    with pytest.raises(RequestError) as caught:
        load_track(path)
    assert message in str(caught.value)
    assert "mine" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TOY.encode() + b"\0", "mine.toml: "),
        (TOY.encode() + b'summary = "caf\xe9"', "can't decode byte 0xe9"),
        (TOY.encode("utf-16"), "can't decode byte"),
        (TOY.encode() + b'x = "unclosed', "mine.toml: "),
        (TOY.encode() + b"x = " + 100_000 * b"[", "is nested too deeply"),
        (TOY.encode() + b"x = " + 100_000 * b"{a=", "is nested too deeply"),
        (TOY.replace("steps = 12", "steps = 1" + 400 * "0").encode(), "steps: 1000"),
        (TOY.replace("steps = 12", "steps = 1" + 5000 * "0").encode(), "mine.toml: "),
        (TOY.replace("steps = 12", "steps = 0x" + 5000 * "f").encode(), "a number of thousands of digits is out of"),
        (TOY.replace("2e-3", "1" + 400 * "0").encode(), "learning_rate: 1000"),
        (TOY.replace('"l1"', "0x" + 5000 * "f").encode(), "loss: 'a number of thousands of digits' is not of type str"),
        (TOY.replace("2e-3", "1e999").encode(), "learning_rate: inf is out of range"),
        (2**21 * b"#", "is larger than 1 MiB"),
    ],
    ids=range(13),
)
def test_bytes_that_nobody_expects_are_named_in_one_line(tmp_path, content, message):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(RequestError) as caught:
        load_track(path)
    assert message in str(caught.value)
    assert "track " in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_byte_order_mark_is_no_fault_and_a_pipe_is_not_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TOY.encode())
    assert load_track(path).training == tracks.get("toy").training
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(RequestError, match=r"pipe\.toml: is not a regular file"):
        load_track(tmp_path / "pipe.toml")


def test_an_architecture_may_have_a_budget_of_its_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TOY + "\n[training.modl-unet]\nsteps = 20\n")
    track = load_track(path)
    assert track.training_of("modl").steps == track.training.steps == 12
    assert track.training_of("modl-unet") == replace(track.training, steps=20)
    asked = Request(arch="modl-unet", pruner="dense", size="toy", track=str(path))
    assert resolve(asked).plan.steps == 20
    assert resolve(asked).trial.row == "modl-unet/dense"
    longer = resolve(replace(asked, settings=("train.steps=12",)))
    assert longer.trial.row == "modl-unet/dense@train.steps=12"


def test_lists_in_a_contrast_stand_for_all_combinations(tmp_path):
    path = tmp_path / "mine.toml"
    block = '\n[[contrasts]]\na = ["modl/snip/at-init/0.9", "modl/pun/at-init/0.9"]\nb = "modl/dense"\n'
    path.write_text(TOY + block + 'split = ["knee", "brain"]\n')
    found = [(one.a, one.b, one.split) for one in load_track(path).contrasts][-4:]
    assert found == [
        (f"modl/{pruner}/at-init/0.9", "modl/dense", split) for pruner in ("snip", "pun") for split in ("knee", "brain")
    ]
