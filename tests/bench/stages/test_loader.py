"""Batches that are read ahead: the same ones, in the same order, and nothing left behind."""

import threading
from dataclasses import fields, replace

import pytest
import torch

from bench.machine.ahead import ahead
from bench.stages.loop import DivergedError, LossWatch, training_step
from bench.stages.train import dense_training
from datasets.errors import DataError
from datasets.slices import read_slices
from tests.bench.toy import toy_plan


@pytest.fixture
def source(tmp_path):
    """Of batches of two slices of both anatomies, whose shapes differ."""
    return toy_plan(tmp_path, train_on="knee+brain", settings=("train.batch=2",)).workspace.source("training")


@pytest.fixture(params=[1, 2])
def threads(request):
    """That torch computes with."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_batches_are_the_same_bit_for_bit_whatever_the_number_of_workers(source, workers, threads):
    number, first = source.data.epoch("training") + 2, 3
    found = list(replace(source, workers=workers).batches(number, first))
    expected = [source.batch(step) for step in range(first, first + number)]
    assert len(found) == number
    for one, other in zip(found, expected, strict=True):
        for field in fields(one):
            assert torch.equal(getattr(one, field.name), getattr(other, field.name)), field.name


def test_whoever_stops_early_leaves_no_thread_behind(source):
    stream = replace(source, workers=4).batches(source.data.epoch("training"))
    next(stream)
    assert any(thread.name.startswith("ahead") for thread in threading.enumerate())
    stream.close()
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())


def test_what_a_thread_meets_comes_where_its_batch_would(source, monkeypatch):
    met = []

    def failing(volume, indices):
        met.append(volume)
        if len(met) > 4:
            raise DataError(volume.path, None, "changed since the manifest was made")
        return read_slices(volume, indices)

    monkeypatch.setattr("bench.stages.batches.read_slices", failing)
    found = []
    with pytest.raises(DataError, match="changed since the manifest was made"):
        found.extend(replace(source, workers=1).batches(10))
    assert len(met) >= 5
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())


def test_no_more_is_computed_ahead_than_threads_and_one():
    begun = []

    def compute(number):
        begun.append(number)
        return number

    for used, found in enumerate(ahead(compute, range(100), 3)):
        assert found == used
        assert len(begun) <= used + 4


def test_losses_read_together_say_where_the_first_bad_one_was():
    watch = LossWatch("training", 3)
    watch.add(0, torch.tensor(1.0))
    watch.add(1, torch.tensor(float("nan")))
    with pytest.raises(DivergedError, match="training diverged: the loss is nan at step 1"):
        watch.add(2, torch.tensor(float("inf")))
    assert watch.last == 1.0
    watch.read()  # nothing is left to complain of


def test_what_follows_a_bad_loss_is_its_consequence(tmp_path, monkeypatch):
    """Where losses are read late, something else may fail first."""
    workspace = toy_plan(tmp_path).workspace
    samples = workspace.source("training").batch(0)
    bad = replace(samples, kspace=samples.kspace * float("nan"))

    def fails(step):
        raise ValueError("scores are not finite")

    for first, error in ((bad, DivergedError), (samples, ValueError)):
        learner, watch = dense_training(workspace), LossWatch("training", 20)
        training_step(learner, first, 0, watch)
        monkeypatch.setattr(learner, "move", fails)
        with pytest.raises(error, match=r"at step 0|not finite"):
            training_step(learner, samples, 1, watch)
