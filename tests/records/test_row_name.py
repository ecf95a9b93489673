import pickle

import pytest

from records.row_name import RowName
from registries import RequestError

NAMES = (
    "modl/dense",
    "modl/dense+small-0.97",
    "modl-unet/dense@train.steps=3200",
    "modl/snip/at-init/0.9",
    "modl/snip/at-init/0.9+shuffle@pruner.batches=1",
    "e2e-varnet/pun/after/0.97@arch.fixed_lambda=true,maps.kind=espirit,train.loss=ssim",
)


@pytest.mark.parametrize("text", NAMES)
def test_names_come_back_from_their_parts(text):
    name = RowName.parse(text)
    assert name == text
    assert {text: 1}[name] == 1
    assert RowName.of(name.arch, name.pruner, name.timing, name.sparsity, name.control, dict(name.settings)) == text
    copied = pickle.loads(pickle.dumps(name))
    assert (copied, copied.settings) == (name, name.settings)


def test_parts_are_those_of_the_name():
    name = RowName.parse("modl/snip/at-init/0.90+shuffle@train.loss=ssim,pruner.batches=1")
    assert (name.arch, name.pruner, name.timing, name.sparsity, name.control) == (
        "modl",
        "snip",
        "at-init",
        "0.9",
        "shuffle",
    )
    assert name.conditions == "@train.loss=ssim"
    assert name.dense == "modl/dense@train.loss=ssim"
    assert name.but(control=None, timing="after") == "modl/snip/after/0.9@pruner.batches=1,train.loss=ssim"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "modl",
        "modl/",
        "modl/snip/at-init",
        "modl/snip/at-init/2",
        "modl/dense+",
        "modl/dense@",
        "a/b@c",
        "a/b@=1",
        "a/b@c=1,c=2",
        "a/b/soon/0.9",
    ],
)
def test_other_texts_are_refused_in_one_line(text):
    with pytest.raises(RequestError) as caught:
        RowName.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["c,d", "e@f", ""])
def test_a_value_that_could_not_be_read_again_is_refused(value):
    with pytest.raises(RequestError, match="has neither comma nor @"):
        RowName.of("modl", "mine", "at-init", "0.9", None, {"pruner.kind": value})
