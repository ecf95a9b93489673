"""Requests: defaults, and every way one can be wrong, in one line."""

import re
from collections.abc import Iterable
from typing import Any

import pytest

from architectures import Architecture, architecture, architectures
from architectures.initialisation import INITIALISATIONS
from bench.tracks.settings import LOSSES, PRECISIONS, TrainingSettings
from bench.tracks.track import tracks
from bench.trials.controls import OF_DENSE
from bench.trials.request import Request, resolve
from datasets.shifts import shifts
from pruners import Prune, Train, pruners
from pruners.controls import OF_MASK
from pruners.entries import TIMINGS
from records.row_name import parse_sparsity
from records.trial import PROTOCOLS, Trial
from registries import RequestError


def ask(**changes):
    return resolve(Request(**{"arch": "modl", "pruner": "snip", "size": "toy", **changes}))


def test_defaults():
    found = resolve(Request(arch="modl", pruner="snip"))
    trial = found.trial
    assert (trial.size, found.track.name, trial.timing, trial.sparsity) == ("demo", "demo", "at-init", "0.9")
    assert (trial.train_on, trial.acceleration, trial.seed, trial.protocol) == ("knee", 4, 0, "standard")
    assert trial.row == "modl/snip/at-init/0.9"
    assert found.stages == (
        Prune("snip", "0.9", "global", (("batches", 8),)),
        Train(0, found.track.training.steps),
    )


def test_dense_has_neither_timing_nor_sparsity():
    trial = ask(pruner="dense").trial
    assert trial.row == "modl/dense"
    assert trial.timing is None
    assert trial.sparsity == "0"


@pytest.mark.parametrize(
    ("text", "short"), [("0.90", "0.9"), ("0", "0"), ("5e-1", "0.5"), (".97", "0.97"), ("-0", "0")]
)
def test_sparsity_has_one_form(text, short):
    assert parse_sparsity(text) == short


def test_settings_change_the_track_and_the_pruner():
    found = ask(settings=("pruner.batches=2", "pruner.scope=erk", "train.steps=5", "maps.kind=espirit"))
    assert found.stages[0] == Prune("snip", "0.9", "erk", (("batches", 2),))
    assert found.track.training.steps == 5
    assert found.track.maps.kind == "espirit"
    assert dict(found.trial.options) == {"batches": 2, "scope": "erk", "groups": "all", "rounds": 1}


def test_controls_are_part_of_the_row_name():
    trial = Trial(
        arch="modl",
        size="toy",
        pruner="snip",
        timing="at-init",
        sparsity="0.9",
        train_on="knee",
        acceleration=4,
        seed=0,
        control="shuffle",
    )
    assert trial.row == "modl/snip/at-init/0.9+shuffle"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "architecture": ({"arch": "model"}, "unknown architecture 'model': did you mean modl or modl-unet or modl-didn?"),
    "pruner": ({"pruner": "snap"}, "unknown pruner 'snap': did you mean snip?"),
    "track": ({"track": "dem"}, "unknown track 'dem': did you mean demo?"),
    "size": ({"size": "huge"}, "architecture 'modl' has no size 'huge': there are toy, demo, mini, paper"),
    "size of the architecture": ({"size": "huge", "track": "toy"}, "architecture 'modl' has no size 'huge'"),
    "paper without track": ({"size": "paper"}, "size 'paper' has no track of its name: add --track"),
    "timing": ({"timing": "sometime"}, "pruner 'snip' does not exist at timing 'sometime'"),
    "timing of dense": ({"pruner": "dense", "timing": "at-init"}, "pruner 'dense' has no timing"),
    "sparsity of dense": ({"pruner": "dense", "sparsity": "0.5"}, "pruner 'dense' removes nothing"),
    "sparsity one": ({"sparsity": "1"}, "--sparsity 1: give the fraction"),
    "sparsity negative": ({"sparsity": "-0.1"}, "--sparsity -0.1"),
    "sparsity NaN": ({"sparsity": "nan"}, "--sparsity nan"),
    "sparsity text": ({"sparsity": "most"}, "--sparsity most"),
    "acceleration": ({"acceleration": 0}, "--acceleration: 0"),
    "protocol": ({"protocol": "free"}, "unknown protocol 'free'"),
    "section": ({"settings": ("network.x=1",)}, "--set network.x=1: write pruner.NAME=VALUE"),
    "no value": ({"settings": ("pruner.batches",)}, "--set pruner.batches"),
    "option": (
        {"settings": ("pruner.batch=1",)},
        "pruner 'snip' has no option 'batch': did you mean batches? there are batches, groups",
    ),
    "type": ({"settings": ("pruner.batches=x",)}, "'x' is not of type int"),
    "scope": ({"settings": ("pruner.scope=local",)}, "pruner.scope=local: did you mean global? there are global"),
    "loss": ({"settings": ("train.loss=l3",)}, "loss: unknown value 'l3': did you mean l1? there are ssim, l1, mse"),
    "steps": ({"settings": ("train.steps=0",)}, "train.steps: 0 is out of range"),
    "batches": ({"settings": ("pruner.batches=0",)}, "pruner 'snip'.batches: 0 is out of range"),
    "warm-up": ({"settings": ("train.warm_up=-1",)}, "warm_up: -1.0 is out of range"),
    "scope of dense": ({"pruner": "dense", "settings": ("pruner.scope=erk",)}, "pruner 'dense' has no option 'scope'"),
    "decimals": ({"sparsity": "0." + "9" * 35}, "give at most 9 decimals"),
    "rate": ({"settings": ("train.learning_rate=inf",)}, "'inf' is not of type float"),
    "maps": ({"settings": ("maps.kind=guess",)}, "kind: unknown value 'guess': there are low-resolution, espirit"),
}


ALL: dict[str, tuple[dict[str, Any], Iterable[str]]] = {
    "arch": ({"arch": "zz"}, architectures.names()),
    "pruner": ({"pruner": "snop"}, pruners.names()),
    "size": ({"size": "toyy"}, architectures.get("modl").sizes),
    "track": ({"track": "toyy", "size": "toy"}, tracks.names()),
    "control": ({"control": "suffle"}, (*OF_MASK, *OF_DENSE)),
    "protocol": ({"protocol": "standart"}, PROTOCOLS),
    "shifts": ({"shifts": ("noise-21",)}, shifts.names()),
    "timing": ({"timing": "init"}, TIMINGS),
    "settings": ({"settings": ("pruner.bach=1",)}, ("batches", "groups", "rounds", "scope")),
    "train": ({"settings": ("train.step=1",)}, TrainingSettings.__dataclass_fields__),
    "maps": ({"settings": ("maps.sort=x",)}, ("kind",)),
    "network": ({"settings": ("arch.lamda=1",)}, architectures.get("modl").options),
    "init": ({"settings": ("init=normal",)}, INITIALISATIONS),
    "loss": ({"settings": ("train.loss=l3",)}, LOSSES),
    "precision": ({"settings": ("train.precision=float16",)}, PRECISIONS),
    "scope": ({"settings": ("pruner.scope=layerwise",)}, ("global", "layer-wise", "erk")),
}


@pytest.mark.parametrize("kind", sorted(ALL))
def test_unknown_names_are_answered_with_all_there_are(kind):
    changes, names = ALL[kind]
    with pytest.raises(RequestError) as error:
        resolve(Request(**{"arch": "modl", "pruner": "snip", "size": "toy", **changes}))
    listed = re.split(r"[ ,()]+", str(error.value).rpartition(": ")[2])
    assert set(names) <= set(listed), error.value


@pytest.mark.parametrize("kind", sorted(WRONG))
def test_wrong_requests_are_named_in_one_line(kind):
    changes, message = WRONG[kind]
    with pytest.raises(RequestError) as caught:
        ask(**changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_network_is_chosen_by_init_and_options():
    found = ask(arch="modl-unet", settings=("init=torch", "arch.residual=true"))
    assert found.variant.to_json() == {"init": "torch", "options": {"residual": True}}
    assert ask(settings=("init=torch",)).variant == ask().variant


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("init=zeros", "--set init=zeros: unknown initialisation 'zeros': there are torch, normal-0.02, own"),
        ("init", "or init=NAME"),
        ("arch.residual=false", "architecture 'modl' has no option 'residual'"),
        ("arch.fixed_lambda=yes", "neither true nor false"),
        ("arch.initial_lambda=-1", "it must be at least 1e-12"),
    ],
)
def test_wrong_networks_are_refused(setting, message):
    with pytest.raises(RequestError, match=message):
        ask(settings=(setting,))


def test_the_initialisation_in_force_is_known_by_name():
    assert (ask().init, ask(arch="modl-didn").init) == ("torch", "normal-0.02")
    assert ask(settings=("init=normal-0.02",)).init == "normal-0.02"


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({}, "modl/snip/at-init/0.9"),
        ({"settings": ("pruner.batches=8", "train.loss=l1", "init=torch")}, "modl/snip/at-init/0.9"),
        ({"settings": ("pruner.batches=1",)}, "modl/snip/at-init/0.9@pruner.batches=1"),
        (
            {"settings": ("train.steps=5", "pruner.scope=erk", "maps.kind=espirit"), "control": "shuffle"},
            "modl/snip/at-init/0.9+shuffle@maps.kind=espirit,pruner.scope=erk,train.steps=5",
        ),
        ({"pruner": "dense", "control": "wd"}, "modl/dense+wd"),
        (
            {"pruner": "dense", "control": "wd", "settings": ("train.weight_decay=0.2",)},
            "modl/dense+wd@train.weight_decay=0.2",
        ),
        ({"pruner": "pun", "settings": ("pruner.rounds=3",)}, "modl/pun/at-init/0.9@pruner.rounds=3"),
    ],
)
def test_a_row_carries_what_deviates_and_nothing_else(changes, row):
    trial = ask(**changes).trial
    assert trial.row == row
    assert ("settings" in trial.to_json()) == ("@" in row)


def test_what_somebodys_constructor_cannot_do_is_one_line():
    """Options of an architecture are texts, numbers and truths; others are the constructor's own affair."""
    with architectures.override():

        @architecture(version=1, source="", sharing="", needs=(), sizes={"toy": {}})
        def picky(kind: str = "a", norm: object = None) -> Architecture:
            """Picky."""
            raise ValueError(f"no\nkind {kind}")

        assert set(architectures.get("picky").options) == {"kind"}
        with pytest.raises(RequestError, match=r"^architecture 'picky': cannot be built: ValueError: no kind b$"):
            ask(arch="picky", settings=("arch.kind=b",))
