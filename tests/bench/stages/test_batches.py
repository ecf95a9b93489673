"""What is known of training batches without reading them."""

import statistics
from dataclasses import fields, replace
from functools import partial

import pytest

from architectures import architectures, build
from architectures.models.modl import MoDL
from bench.machine.macs import gradient_macs
from bench.machine.randomness import generator
from bench.stages import batches
from bench.stages.batches import Most, TrainingData
from bench.stages.losses import TrainingLoss
from datasets.undersampling import Undersampling
from tests.bench.toy import toy_plan


@pytest.fixture
def workspace(tmp_path):
    """Trained on both anatomies, whose volumes differ in shape."""
    return toy_plan(tmp_path, train_on="knee+brain").workspace


def test_every_batch_of_an_epoch_counts_by_its_shape(workspace):
    numbers = workspace.data.shapes("training")
    order = [tuple(workspace.data.batch(step).kspace.shape) for step in range(workspace.data.epoch("training"))]
    assert {order[step]: number for step, number in numbers.items()} == {s: order.count(s) for s in set(order)}
    assert len(numbers) > 1


def test_the_cost_of_a_step_is_the_mean_over_an_epoch_of_which_nothing_is_read(workspace, monkeypatch):
    every = [workspace.source("training").batch(step) for step in range(workspace.data.epoch("training"))]
    model, loss = build(workspace.architecture, workspace.size, generator(0, "cost")), TrainingLoss("l1")
    expected = statistics.fmean(gradient_macs(partial(loss, model, batch), model) for batch in every)
    monkeypatch.setattr(batches, "read_slices", None)
    assert workspace.step_macs == expected


@pytest.mark.parametrize(
    ("changes", "combine"),
    [
        ({}, False),
        ({}, True),
        ({"crop_readout": False}, True),
        ({"virtual_coils": 2}, False),  # a shift of evaluation, where nothing is combined
        ({"undersampling": Undersampling(4, "gaussian")}, False),
    ],
)
def test_what_has_no_values_is_shaped_as_what_is_read(workspace, changes, combine):
    data = workspace.data
    preparation = replace(data._preparation, **changes)
    data = TrainingData(data._volumes, preparation, 2, 0, combine=combine)
    for step in data.shapes("training"):
        read, shaped = data.batch(step), data.shaped(step, "training")
        for field in fields(read):
            one, other = getattr(read, field.name), getattr(shaped, field.name)
            assert (one.shape, one.dtype) == (other.shape, other.dtype), field.name
            assert other.is_meta


def test_a_network_that_asks_for_values_is_given_some(tmp_path, monkeypatch):
    workspace = toy_plan(tmp_path).workspace
    counted, forward = workspace.step_macs, MoDL.forward

    def asking(self, kspace, mask, maps):
        assert float(kspace.abs().sum()) > 0
        return forward(self, kspace, mask, maps)

    monkeypatch.setattr(MoDL, "forward", asking)
    assert replace(workspace).step_macs == counted


def test_the_cost_of_a_validation_is_counted_and_that_of_one_that_is_carried_out(workspace):
    observed = replace(workspace, validation=workspace.data)
    assert observed.validate(observed.initial_model()).macs == observed.validation_macs > 0


@pytest.mark.parametrize("arch", architectures.names())
def test_every_architecture_can_be_counted_so(tmp_path, arch):
    workspace = toy_plan(tmp_path, arch=arch).workspace
    assert workspace._gradient(workspace.initial_model().to("meta"), workspace.data.shaped(0, "training")) > 0


def test_validation_may_be_a_sample(tmp_path):
    workspace = toy_plan(tmp_path, train_on="knee+brain").workspace
    data = workspace.data
    few = TrainingData(data._volumes, data._preparation, 1, 0, Most(2, 3))
    assert len(few) == 3
    assert few.epoch("validation") == 3
