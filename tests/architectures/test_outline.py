"""Networks without values: as the built ones, drawn once."""

import pytest
import torch

from architectures import architectures, build
from architectures.outline import outline
from registries import RequestError


@pytest.mark.parametrize("name", architectures.names())
def test_an_outline_has_the_names_and_shapes_of_the_network(name):
    found = outline(architectures.get(name), "toy")
    built = build(name, "toy", torch.Generator())
    assert found.parameters == sum(parameter.numel() for parameter in built.parameters())
    for group in ("all", *built.groups()):
        expected = {name: (part.weight.shape, part.group) for name, part in built.prunable(group).items()}
        assert {name: (part.weight.shape, part.group) for name, part in found.prunable(group).items()} == expected
    assert all(parameter.is_meta for parameter in found.model.parameters())
    with pytest.raises(RequestError, match="groups=nonsense: unknown group of weights: did you mean denoiser"):
        found.prunable("nonsense")


def test_it_is_drawn_once_for_the_same_arguments_alone():
    entry = architectures.get("modl")
    assert outline(entry, "toy") is outline(entry, "toy")
    assert outline(entry, "toy").parameters > outline(entry, "toy", 0.5).parameters
