"""What is known of training batches without reading them."""

import statistics
from dataclasses import replace
from functools import partial

import pytest
import torch

from architectures import architectures, build
from bench.machine.macs import gradient_macs
from bench.machine.randomness import generator
from bench.stages import batches
from bench.stages.batches import Most, TrainingData
from bench.stages.losses import TrainingLoss
from datasets.slices import read_slices
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


def test_the_cost_of_a_step_is_the_mean_over_an_epoch_of_which_one_batch_a_shape_is_read(workspace, monkeypatch):
    reads = []

    def read(*arguments):
        reads.append(arguments)
        return read_slices(*arguments)

    monkeypatch.setattr(batches, "read_slices", read)
    cost = workspace.step_macs
    assert len(reads) == len(workspace.data.shapes("training")) * workspace.training.batch
    model, loss = build(workspace.architecture, workspace.size, generator(0, "cost")), TrainingLoss("l1")
    every = workspace.source("training").batches(workspace.data.epoch("training"))
    assert cost == statistics.fmean(gradient_macs(partial(loss, model, batch), model) for batch in every)


def test_costs_are_counted_without_values_and_are_those_of_what_is_carried_out(workspace, monkeypatch):
    counted = workspace.step_macs, replace(workspace, validation=workspace.data).validation_macs
    for name in ("step_macs", "validation_macs"):
        vars(workspace).pop(name, None)
    monkeypatch.setattr("bench.stages.workspace.META", torch.device("cpu"))
    observed = replace(workspace, validation=workspace.data)
    assert counted == (observed.step_macs, observed.validation_macs)
    assert observed.validate(observed.initial_model()).macs == counted[1]


@pytest.mark.parametrize("arch", architectures.names())
def test_every_architecture_can_be_counted_so(tmp_path, arch):
    workspace = toy_plan(tmp_path, arch=arch).workspace
    samples = workspace.data.batch(0).to(torch.device("meta"))
    model = workspace.initial_model().to("meta")
    assert workspace._gradient(model, samples) == workspace.step_macs > 0


def test_validation_may_be_a_sample(tmp_path):
    workspace = toy_plan(tmp_path, train_on="knee+brain").workspace
    data = workspace.data
    few = TrainingData(data._volumes, data._preparation, 1, 0, Most(2, 3))
    assert len(few) == 3
    assert few.epoch("validation") == 3
