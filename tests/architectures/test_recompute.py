"""Computing again what was not kept changes nothing but memory and time, for every architecture."""

from dataclasses import replace

import pytest
import torch
from torch.func import functional_call

from architectures import architectures, build
from architectures.check_inputs import make_input
from architectures.recompute import recomputing
from bench.machine.macs import gradient_macs
from bench.store.state import State
from pruners.scoring import scores_by
from tests.bench.toy import toy_plan

NAMES = architectures.names()
SHAPE = (2, 3, 24, 20)


def network(name, recompute):
    model = build(name, "toy", torch.Generator().manual_seed(0))
    model.recompute = recompute
    return model


def kept_bytes(model, given):
    """Of what a forward pass keeps for the backward pass, without parameters and inputs."""
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        given.of(model)
    return sum(kept.values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_images_and_gradients_are_the_same_bit_for_bit(name, factor):
    """Also for other weights than the network's own, which is how pruners call it."""
    given, results = make_input(SHAPE), []
    for recompute in (False, True):
        model = network(name, recompute)
        own = {n: (factor * value).detach().requires_grad_() for n, value in model.named_parameters()}
        image = functional_call(model, own, (given.kspace, given.mask, given.maps))
        results.append((image, *torch.autograd.grad(image.square().sum(), list(own.values()))))
    assert all(torch.equal(plain, again) for plain, again in zip(*results, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_less_is_kept_and_as_much_is_billed(name):
    given = make_input((2, 3, 96, 80))
    kept, bills = [], []
    for recompute in (False, True):
        model = network(name, recompute)
        kept.append(kept_bytes(model, given))
        bills.append(gradient_macs(lambda model=model: given.of(model).square().sum(), model))
    assert bills[0] == bills[1]
    assert kept[1] < 0.5 * kept[0]
    assert not recomputing()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("score", ["grasp", "snip", "synflow"])
def test_scores_are_the_same_second_derivatives_among_them(name, score, tmp_path):
    planned, found = toy_plan(tmp_path, arch=name, pruner=score), []
    for recompute in (False, True):
        workspace = replace(planned.workspace, recompute=recompute)
        state = State.of(workspace.initial_model(), groups=workspace.groups)
        problem = workspace.problem(workspace.model(state), state.mask, "a test", "scoring")
        assert problem.model.recompute == recompute
        found.append(scores_by(score, problem, (("batches", 2),) if score != "synflow" else ()))
    assert all(torch.equal(plain, again) for plain, again in zip(*(f.values() for f in found), strict=True))
