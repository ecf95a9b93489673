"""Each check of a pruner's contract fails on one that breaks it in just that way."""

from dataclasses import replace
from pathlib import Path

import h5py
import pytest
import torch

from bench.check.pruner import CHECKS, Subject, continuation, reproducibility, run_checks
from bench.stages import carry_out as stages_carried_out
from bench.store.state import State
from bench.trials.plugins import load_plugins
from pruners import Prune, Train, pruners
from registries.checking import carry_out

SNIP = pruners.get("snip")


def failures(entry, folder, names=("modl",)):
    outcomes = carry_out(CHECKS, Subject(entry, folder, names))
    return {outcome.name: outcome.message for outcome in outcomes if outcome.verdict == "FAIL"}


@pytest.fixture
def registered(override):
    """Puts a changed SNIP in place of the real one."""

    def put(**changes):
        entry = replace(SNIP, timings=("at-init",), **changes)
        override(pruners, entry)
        return entry

    return put


def changed(change):
    def score(problem, batches=2):
        return change(SNIP.score(problem, batches))

    return score


SCORES = {
    "not finite": lambda scores: {name: score / 0 for name, score in scores.items()},
    "has shape": lambda scores: {name: score[:1] for name, score in scores.items()},
    "have no score": lambda scores: dict(list(scores.items())[1:]),
    "unknown weights": lambda scores: {**scores, "more": torch.zeros(1)},
    "every score is zero": lambda scores: {name: 0 * score for name, score in scores.items()},
    "not a dict": lambda scores: list(scores.values()),
}


def test_the_base_of_the_broken_ones_is_sound(registered, tmp_path):
    assert failures(registered(), tmp_path) == {}


@pytest.mark.parametrize("message", sorted(SCORES))
def test_bad_scores_are_named(registered, tmp_path, message):
    found = failures(registered(score=changed(SCORES[message])), tmp_path)
    assert message in found["valid scores"]
    assert "\n" not in found["valid scores"]


def recipe_of(*stages):
    return lambda timing, plan, **options: stages


def test_a_wrong_count_is_found(registered, tmp_path):
    entry = registered(recipe=recipe_of(Prune("magnitude", "0.5", "global"), Train(0, 4)))
    assert "keeps 144 of 288 weights; sparsity 0.9 asks for 29" in failures(entry, tmp_path)["exact counts"]


def test_hidden_randomness_is_found(registered, tmp_path):
    def score(problem, batches=2):
        return {name: torch.rand(weight.shape) for name, weight in problem.weights.items()}

    assert "mask is another one" in failures(registered(score=score), tmp_path)["reproducibility"]


def test_a_look_at_evaluation_data_is_found(registered, tmp_path):
    """A score that opens the test volumes beside the training volumes it was given."""

    def score(problem, batches=2):
        volume, _ = problem._source.data._slices[0]
        other = sorted((Path(volume.path).parent.parent / "multicoil_val").glob("*.h5"))[0]
        with h5py.File(other) as file:
            seed = int(1e9 * float(file["reconstruction_rss"][0].sum())) % 2**31
        draw = torch.Generator().manual_seed(seed)
        return {name: torch.rand(weight.shape, generator=draw) for name, weight in problem.weights.items()}

    assert "depends on the evaluation volumes" in failures(registered(score=score), tmp_path)["evaluation data"]


def test_a_mask_that_nothing_is_trained_under_is_found(registered, tmp_path):
    entry = registered(recipe=recipe_of(Train(0, 4), Prune("magnitude", "0.9", "global")))
    assert "does not end in a training" in failures(entry, tmp_path)["zeros"]


def test_pruned_weights_that_live_on_are_found(registered, tmp_path, monkeypatch):
    monkeypatch.setattr("pruners.Mask.apply_", lambda self, weights: None)
    assert "is not zero" in failures(registered(), tmp_path)["zeros"]


def test_a_score_that_changes_the_network_is_found(registered, tmp_path):
    def score(problem, batches=2):
        found = SNIP.score(problem, batches)
        with torch.no_grad():
            next(problem.model.parameters()).mul_(2)
        return found

    assert "changes the parameters" in failures(registered(score=score), tmp_path)["valid scores"]


def test_a_stage_that_changes_other_parameters_is_found(registered, tmp_path, monkeypatch):
    """The suite's own stages are under test here."""
    prune = stages_carried_out._prune

    def careless(state, stage, model, workspace):
        found, bill = prune(state, stage, model, workspace)
        return State({n: 2 * v for n, v in found.weights.items()}, found.mask), bill

    monkeypatch.setattr(stages_carried_out, "_prune", careless)
    assert "changes" in failures(registered(), tmp_path)["other parameters"]


def test_a_free_score_is_found(registered, tmp_path):
    def score(problem, batches=2):
        return {name: weight.abs() for name, weight in problem.weights.items()}

    assert "uses data" in failures(registered(score=score), tmp_path)["cost"]
    assert "uses_data=False" in failures(registered(uses_data=False), tmp_path)["cost"]


STATEFUL = '''
from dataclasses import dataclass, fields
from pruners import Train, recipe
from pruners.gradual import Gradual

STATE = {}

@dataclass(frozen=True)
class Remembers(Gradual):
    """Keeps what it kept first, as long as it knows."""

    def state(self):
        return {}

    def __call__(self, moment):
        state = self.state()
        if moment.step == self.steps[0]:
            state["first"] = {name: weight.abs() for name, weight in moment.problem.weights.items()}
        scores = state.get("first", moment.problem.weights)
        return moment.problem.mask.to("cpu").from_scores(
            scores, self.keep(moment.step, moment.problem.mask.total), self.scope, moment.problem.mask.to("cpu")
        )

class InAnAttribute(Remembers):
    def state(self):
        return self.__dict__.setdefault("state_", {})

class InAGlobal(Remembers):
    def state(self):
        return STATE

def stages(update, plan):
    usual = Gradual.over(plan, "magnitude", ())
    return (Train(0, plan.steps, update(**{field.name: getattr(usual, field.name) for field in fields(usual)})),)

@recipe(timings=("while",), version=1, source="a test")
def attribute(timing, plan):
    "Keeps state in its mask update."
    return stages(InAnAttribute, plan)

@recipe(timings=("while",), version=1, source="a test")
def globally(timing, plan):
    "Keeps state in its module."
    return stages(InAGlobal, plan)
'''


@pytest.mark.parametrize("name", ["attribute", "globally"])
def test_state_that_no_checkpoint_holds_is_found(override, tmp_path, name):
    """It is the same the second time, but not after a kill."""
    override(pruners)
    (tmp_path / "stateful.py").write_text(STATEFUL)
    files = tuple(load_plugins([tmp_path / "stateful.py"]))
    subject = Subject(pruners.get(name), tmp_path, ("modl",), files)
    outcomes = {outcome.name: outcome for outcome in carry_out((reproducibility, continuation), subject)}
    assert outcomes["reproducibility"].verdict == "ok"
    found = outcomes["continuation"]
    assert found.verdict == "FAIL"
    assert found.message.startswith(f"modl/{name}/while/0.9: killed at step ")
    assert "finds another mask; derive everything from" in found.message


def test_every_check_is_tested_above():
    tested = {"valid scores", "exact counts", "reproducibility", "evaluation data", "zeros", "other parameters", "cost"}
    assert tested | {"continuation"} == {check.__name__.replace("_", " ") for check in CHECKS}


@pytest.mark.parametrize(("name", "files"), [("pun", None), ("rigl", ())])
def test_built_in_pruners_keep_their_contract(name, files, tmp_path):
    verdicts = {o.name: (o.verdict, o.message) for o in run_checks(pruners.get(name), tmp_path, files)}
    assert {verdict for verdict, _ in verdicts.values()} <= {"ok", "skip"}, verdicts
    assert verdicts["continuation"][0] == ("skip" if files is None else "ok")
