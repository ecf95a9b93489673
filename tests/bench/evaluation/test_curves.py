"""The curves of a trial: table, picture, TensorBoard."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.cli import main
from bench.evaluation import curves, tensorboard
from bench.evaluation.curves import PANELS, StageCurve, picture, running_mean, stage_curves
from bench.store.curve import CURVE, Point
from bench.store.state import StageCost
from pruners import Given, LearnMask, Prune, Train
from registries import RequestError

DENSE = (Point(0, 0.5, 1e-3, 1.0, 2.0, 0.1), Point(1, 0.25, 5e-4, 1.0, 1.5, 0.2, 0.3, 30.5))
TUNED = (Point(1, 0.25, 5e-4, 0.1, 1.5, 0.2, float("nan"), 31.5),)
SEARCH = LearnMask("0.9", "global", 2)
STAGES = [
    StageCurve(1, "train steps 0–2", 0, 2, DENSE),
    StageCurve(2, "prune 0.9 by snip (global, 2 rounds)", 0, 0, ()),
    StageCurve(3, "train steps 1–2", 1, 1, TUNED),
]


def same(found, expected):
    return repr(found) == repr(expected)  # with numbers that are none


def test_a_trial_keeps_the_curves_of_all_its_stages(tmp_path):
    curves.write(tmp_path, STAGES, "modl/snip/after/0.9")
    lines = (tmp_path / CURVE).read_text().splitlines()
    assert lines[0] == (
        "stage,name,step,loss,learning_rate,density,gradient_norm,seconds,validation_loss,validation_psnr"
    )
    assert lines[1] == "1,train steps 0–2,0,0.5,0.001,1.0,2.0,0.1,,"
    assert len(lines) == 1 + 3
    assert same(curves.read(tmp_path / CURVE), {(1, "train steps 0–2"): DENSE, (3, "train steps 1–2"): TUNED})
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_has_a_panel_for_each_quantity_and_names_the_stages():
    figure = picture(STAGES, "title")
    assert len(figure.axes) == len(PANELS) == 5
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "1  train steps 0–2",
        "2  prune 0.9 by snip (global, 2 rounds)",
        "3  train steps 1–2",
    ]
    rate = figure.axes[2]
    drawn = [np.asarray(line.get_xdata()).tolist() for line in rate.lines if line.get_color() != "0.7"]
    assert drawn == [[1, 2], [3]]  # one after the other
    assert len({line.get_color() for line in rate.lines}) == 3  # and of the marks between them
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "2", "3"]


def test_a_stage_of_an_earlier_version_is_named_as_such():
    stages = stage_curves(
        [Given(2, "0" * 64), Train(0, 2), Prune("snip", "0.9", "global"), SEARCH],
        [StageCost("given", 2), StageCost("train", 2), StageCost("prune"), StageCost("search", 2, curve=DENSE)],
    )
    words = [stage.words for stage in stages]
    assert words == ["1  given", "2  train (no curve: kept by an earlier version)", "3  prune", "4  search"]
    assert len(picture(stages, "title").axes) == 5


def test_a_trial_without_any_curve_is_drawn(tmp_path):
    curves.write(tmp_path, [StageCurve(1, "train", 0, 2, ()), StageCurve(2, "prune", 0, 0, ())], "title")
    assert curves.read(tmp_path / CURVE) == {}


def test_a_running_mean_ends_where_the_values_do():
    assert running_mean([1.0, 2.0, 6.0], 1) == [1.5, 3.0, 4.0]
    assert running_mean([1.0, 2.0], 0) == [1.0, 2.0]


class Stub:
    """What a writer is asked to do."""

    def __init__(self, folder: str) -> None:
        self.folder, self.scalars, self.closed = folder, list[tuple[str, float, int]](), False
        stubs.append(self)

    def add_scalar(self, tag: str, value: float, step: int, walltime: float) -> None:
        self.scalars.append((tag, value, step))

    def close(self) -> None:
        self.closed = True


stubs: list[Stub] = []


@pytest.fixture
def trial(tmp_path):
    stubs.clear()
    folder = tmp_path / "results" / "modl-snip_0123"
    curves.write(folder, STAGES, "title")
    return folder


def test_tensorboard_is_given_the_same_scalars(trial, tmp_path):
    said = tensorboard.export(trial, tmp_path / "board", Stub)
    assert said == f"tensorboard: {tmp_path / 'board' / trial.name}"
    assert [stub.folder.rpartition("/")[2] for stub in stubs] == ["01 train steps 0–2", "03 train steps 1–2"]
    assert stubs[0].scalars == [
        *(("loss/training", 0.5, 0), ("learning rate", 1e-3, 0), ("density", 1.0, 0), ("gradient norm", 2.0, 0)),
        *(("loss/training", 0.25, 1), ("loss/validation", 0.3, 1), ("psnr/validation", 30.5, 1)),
        *(("learning rate", 5e-4, 1), ("density", 1.0, 1), ("gradient norm", 1.5, 1)),
    ]
    assert all(stub.closed for stub in stubs)


def test_a_repeated_run_leaves_its_scalars_once_and_touches_nothing_else(trial):
    """Even where the folder of results is named."""
    old = trial / "01 train steps 0–2" / "events.out.tfevents.1.host.2.0"
    old.parent.mkdir()
    old.write_bytes(b"of the run before")
    before = {path.name for path in trial.iterdir()}
    tensorboard.export(trial, trial.parent, Stub)
    assert not old.exists()
    assert {path.name for path in trial.iterdir()} == before
    assert len(stubs) == 2


def test_what_tensorboard_cannot_have_is_said(trial, tmp_path):
    (trial / CURVE).write_text("stage,name,step\n1,train,0\n")
    with pytest.raises(RequestError, match="cannot be read"):
        tensorboard.export(trial, tmp_path / "board", Stub)
    (trial / CURVE).unlink()
    assert "is absent" in tensorboard.export(trial, tmp_path / "board", Stub)
    assert stubs == []


@pytest.mark.parametrize("command", [["run", "--arch", "modl", "--pruner", "snip", "--size", "toy"], ["sweep", "mini"]])
def test_without_tensorboard_nothing_begins(tmp_path, monkeypatch, capsys, command):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert main([*command, "--tensorboard", str(tmp_path / "board"), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install -e '.[tensorboard]'" in line
    assert list(tmp_path.iterdir()) == []


def test_a_run_writes_them_and_writes_them_again(tmp_path, monkeypatch, capsys):
    module: Any = SimpleNamespace(SummaryWriter=Stub)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    stubs.clear()
    command = ["run", "--arch", "modl", "--pruner", "snip", "--size", "toy", "--device", "cpu", "--quiet"]
    for times in (1, 2):
        assert main([*command, "--out", str(tmp_path / "out"), "--tensorboard", str(tmp_path / "board")]) == 0
        assert f"tensorboard: {tmp_path / 'board'}/modl-snip" in capsys.readouterr().out
        assert len(stubs) == times
    assert stubs[0].scalars == stubs[1].scalars != []


def test_the_package_itself_reads_what_is_written(trial, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    writer = tensorboard.summary_writer()
    for _ in range(2):
        tensorboard.export(trial, tmp_path / "board", writer)
    found = EventAccumulator(str(tmp_path / "board" / trial.name / "01 train steps 0–2"))
    found.Reload()
    assert [(event.step, event.value) for event in found.Scalars("loss/training")] == [(0, 0.5), (1, 0.25)]
