"""What the timings mean: the stages that (pruner, timing) expands to, and what their masks have seen."""

import hashlib
import json
from dataclasses import replace
from decimal import Decimal

import pytest

from pruners import LearnMask, Plan, Prune, Rewind, Train, Transform, kept_count, pruner, pruners
from pruners.contract import checked, score_recipe, what_mask_has_seen
from pruners.controls import with_control
from pruners.gradual import Gradual
from pruners.granularity import CHANNELS
from pruners.methods.pun import falling
from pruners.stages import TransformChannels, values_of
from registries import RequestError

PLAN = Plan(100, "0.9", "erk")


def stages(name, timing, plan=PLAN, **options):
    return pruners.get(name).recipe(timing, plan, **options)


def test_dense_trains_once():
    assert stages("dense", None, Plan(100, "0")) == (Train(0, 100),)


def test_score_based_timings():
    prune = Prune("snip", "0.9", "erk", (("batches", 2),))
    assert stages("snip", "at-init", batches=2) == (prune, Train(0, 100))
    assert stages("snip", "after", batches=2) == (Train(0, 100), prune, Train(75, 100))
    (gradual,) = stages("snip", "while", batches=2)
    assert (gradual.start, gradual.stop) == (0, 100)
    assert gradual.update == Gradual.over(PLAN, "snip", (("batches", 2),))


def test_rounds_reach_the_stage():
    found = stages("force", "at-init", replace(PLAN, rounds=20))[0]
    assert (found.rounds, found.revives) == (20, True)
    found = stages("iter-snip", "at-init", replace(PLAN, rounds=20))[0]
    assert (found.rounds, found.revives) == (20, False)
    assert (pruners.get("synflow").rounds, pruners.get("snip").rounds) == (100, 1)


@pytest.mark.parametrize("steps", [2, 4, 12, 100, 4000])
def test_cubic_schedule_is_that_of_zhu_and_gupta_and_final_by_three_quarters(steps):
    update = Gradual.over(Plan(steps, "0.9"), "magnitude", ())
    assert steps // 4 <= update.steps[0]
    assert update.steps[-1] == min(round(0.75 * steps), steps - 1)
    assert len(set(update.steps)) == len(update.steps)
    kept = [update.keep(step, 1000) for step in update.steps]
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] == 100
    number = len(kept)
    for u, count in enumerate(kept, start=1):
        assert count == kept_count(1000, Decimal("0.9") * (1 - (1 - Decimal(u) / number) ** 3))
    assert not update.due(update.steps[-1] + 1)


def test_lottery_climbs_one_ladder_for_all_sparsities():
    def rungs(sparsity):
        return [
            s.sparsity for s in stages("lottery", "at-init", replace(PLAN, sparsity=sparsity)) if isinstance(s, Prune)
        ]

    assert rungs("0.9") == ["0.5", "0.75", "0.875", "0.9"]
    assert rungs("0.97") == ["0.5", "0.75", "0.875", "0.9375", "0.96875", "0.97"]
    assert rungs("0.5") == ["0.5"]
    assert rungs("0.3") == ["0.3"]
    ten, three = (stages("lottery", "at-init", replace(PLAN, sparsity=s)) for s in ("0.9", "0.97"))
    assert ten[:9] == three[:9]  # three rounds in common


def test_lottery_rewinds_to_three_points():
    prune = Prune("magnitude", "0.5", "erk")
    half = replace(PLAN, sparsity="0.5")
    assert stages("lottery", "at-init", half) == (Train(0, 100), prune, Rewind(0), Train(0, 100))
    assert stages("lottery", "while", half, rewind=0.1) == (
        Train(0, 10),
        Train(10, 100),
        prune,
        Rewind(10),
        Train(10, 100),
    )
    assert stages("lottery", "after", half, rewind=0.1) == (Train(0, 100), prune, Train(10, 100))


@pytest.mark.parametrize("timing", ["at-init", "while", "after"])
def test_a_lottery_of_no_rounds_is_dense(timing):
    assert stages("lottery", timing, replace(PLAN, sparsity="0")) == stages("dense", None)


@pytest.mark.parametrize("options", [{"per_round": 1.0}, {"per_round": 0.0}, {"rewind": 1.0}])
def test_impossible_lotteries_are_refused(options):
    with pytest.raises(RequestError, match="--set pruner"):
        stages("lottery", "at-init", **options)


def test_pun_under_three_timings():
    learn = LearnMask("0.9", "erk", 50)
    assert stages("pun", "at-init") == (learn, Train(0, 100))
    assert stages("pun", "after") == (Train(0, 100), learn, Train(75, 100))
    assert stages("pun", "while") == (replace(learn, steps=75, joint=True), Train(75, 100))
    with pytest.raises(RequestError, match=r"pruner\.temperature"):
        stages("pun", "at-init", temperature=0.0)
    with pytest.raises(RequestError, match=r"pruner\.warmup=0\.1: belongs to timing 'at-init'"):
        stages("pun", "after", warmup=0.1)


def test_pun_searches_in_rounds_of_falling_density_and_after_a_warm_up():
    found = stages("pun", "at-init", replace(PLAN, sparsity="0.99", rounds=2), search=1.0)
    assert [(stage.sparsity, stage.steps) for stage in found[:2]] == [("0.9", 50), ("0.99", 50)]
    assert found[2:] == (Train(0, 100),)
    assert falling("0.875", 3) == ["0.5", "0.75", "0.875"]
    assert falling("0", 2) == ["0", "0"]
    warm = stages("pun", "at-init", warmup=0.1)
    assert warm == (Train(0, 10), *stages("pun", "at-init")[:1], Rewind(0), Train(0, 100))
    assert what_mask_has_seen(warm) == "trained weights"
    assert what_mask_has_seen(found) == "data"


def test_what_masks_have_seen():
    seen = {
        (entry.name, timing): what_mask_has_seen(entry.recipe(timing, PLAN))
        for entry in pruners
        for timing in entry.timings or (None,)
        if entry.identity.origin == "built-in"
    }
    nothing = {("dense", None), ("magnitude", "at-init"), ("synflow", "at-init")}
    nothing |= {("magnitude-channel", "at-init")}
    nothing |= {(name, timing) for name in ("random", "random-channel") for timing in ("at-init", "while", "after")}
    scores: tuple[str, ...] = ("snip", "grasp", "grasp-abs", "iter-snip", "force", "pun")
    scores += ("snip-channel", "iter-snip-channel", "taylor-channel", "pun-channel")
    data = {(name, "at-init") for name in scores}
    for key, value in seen.items():
        assert value == ("nothing" if key in nothing else "data" if key in data else "trained weights"), key


def test_a_control_that_draws_channels_anew_has_seen_nothing():
    found = with_control(stages("snip-channel", "at-init"), CHANNELS.control("random-layerwise"), 100)
    assert TransformChannels("random-layerwise") in found
    assert what_mask_has_seen(found) == "nothing"


def test_a_recipe_removes_what_it_is_registered_for():
    mixed = (Prune("snip-channel", "0.9", "global"), Train(0, 100))
    with pytest.raises(RequestError, match=r"registered for each weight, and 'prune 0\.9 by snip-channel"):
        checked("mine", mixed)
    assert checked("mine", mixed, "channel") == mixed
    with pytest.raises(RequestError, match="registered for each channel"):
        checked("mine", stages("pun", "at-init"), "channel")


def test_controls_act_after_the_last_change_of_the_mask():
    for timing, last in (("at-init", Train(0, 100)), ("after", Train(75, 100))):
        plain = stages("snip", timing)
        assert with_control(plain, Transform("shuffle"), 100) == (*plain[:-1], Transform("shuffle"), last)
        assert with_control(plain, Transform("reinit"), 100) == (*plain[:-1], Transform("reinit"), Train(0, 100))
        inverted = with_control(plain, Transform("invert"), 100)
        assert [s.lowest for s in inverted if isinstance(s, Prune)] == [True]
        assert len(inverted) == len(plain)
    ticket = stages("lottery", "at-init", replace(PLAN, sparsity="0.5"))
    assert with_control(ticket, Transform("shuffle"), 100) == (*ticket[:-1], Transform("shuffle"), ticket[-1])
    assert with_control(ticket, Transform("reinit"), 100) == (*ticket[:-2], Transform("reinit"), Train(0, 100))


def test_stages_tell_their_kind_and_that_of_their_update():
    (stage,) = score_recipe("snip", "while", PLAN, {})
    assert values_of(stage)["kind"] == "Train"
    assert values_of(stage)["update"]["kind"] == "Gradual"
    grow, evolve = stages("rigl", "while")[1], stages("set", "while")[1]
    assert values_of(grow)["update"]["kind"] != values_of(evolve)["update"]["kind"]


GOLDEN = {
    "lottery": "39707ffcce3c9b2e",
    "pun": "1514fd15894424f2",
    "pun-channel": "26c75ddc49468e99",
    "rigl": "b1d7a88e2937b453",
    "set": "7f28652416517ffd",
}
"""Hashes of the recipes under all timings; a change needs a new version, and a new line here."""


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_recipes(name):
    entry = pruners.get(name)
    values = [[values_of(s) for s in entry.recipe(timing, PLAN)] for timing in entry.timings]
    assert hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16] == GOLDEN[name]


def test_every_recipe_has_a_golden_hash():
    recipes = {e.name for e in pruners if e.score is None and e.timings and e.identity.origin == "built-in"}
    assert set(GOLDEN) == recipes


BAD_RECIPES = {
    "no tuple of stages": [Train(0, 4)],
    "does not end in a training": (Train(0, 4), Prune("magnitude", "0.9", "global")),
    "rewinds to step 5": (Rewind(5), Train(0, 4)),
    "gives no scores": (Prune("pun", "0.9", "global"), Train(0, 4)),
    "is no dataclass": (Train(0, 4, update="mine"),),  # type: ignore[arg-type]
    "unknown pruner": (Prune("nothing", "0.9", "global"), Train(0, 4)),
}


@pytest.mark.parametrize("message", sorted(BAD_RECIPES))
def test_recipes_that_cannot_be_carried_out_are_refused(message):
    with pytest.raises(RequestError, match=message):
        checked("mine", BAD_RECIPES[message])


def test_parameters_that_every_pruner_has_are_refused():
    with pytest.raises(RequestError, match="'rounds' is an option of every pruner"):

        @pruner(timings=("at-init",), version=1, source="here")
        def mine(problem, rounds=3):
            """Mine."""

    with pytest.raises(RequestError, match="default of 'many'"):

        @pruner(timings=("at-init",), version=1, source="here")
        def yours(problem, many=None):
            """Yours."""


@pytest.mark.parametrize("fraction", [0.0, -0.5, 2.0])
@pytest.mark.parametrize("name", ["rigl", "set"])
def test_impossible_exchanges_are_refused(name, fraction):
    with pytest.raises(RequestError, match=r"pruner\.fraction"):
        stages(name, "while", fraction=fraction)


def test_as_many_updates_as_asked():
    assert [len(stages("rigl", "while", updates=n)[1].update.steps) for n in (1, 7, 30)] == [1, 7, 30]


def test_every_stage_says_in_words_what_it_does():
    for entry in pruners:
        for timing in entry.timings or (None,):
            words = [str(stage) for stage in entry.recipe(timing, PLAN)]
            assert all(word and "(" not in word[:1] and "object at" not in word for word in words)
