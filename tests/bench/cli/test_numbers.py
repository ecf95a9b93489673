"""Every number that can be set, with values that nobody expects."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest

from architectures import architectures
from bench.cli import _parser, main
from bench.tracks.settings import TrainingSettings
from bench.trials.request import Request, resolve
from pruners import pruners
from registries import RequestError

VALUES = ["-1", "0", "1e22", "1" + 22 * "0", "0.999999999", "nan", "inf", "x", ""]


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                yield from parsers(part)


def numbers() -> Iterator[tuple[str, argparse.Action]]:
    for parser in parsers(_parser()):
        yield from ((f"{parser.prog} {a.option_strings[0]}", a) for a in parser._actions if a.type is not None)


def settings() -> Iterator[tuple[str, str, str | None, str]]:
    """Architecture, pruner, timing and key of everything that ``--set`` reaches."""
    yield from (("modl", "snip", None, f"train.{field.name}") for field in fields(TrainingSettings))
    yield from (("modl", "snip", None, key) for key in ("maps.kind", "init"))
    yield from ((entry.name, "snip", None, f"arch.{option}") for entry in architectures for option in entry.options)
    for entry in pruners:
        network = "modl-unet" if entry.granularity == "channel" else "modl"
        for timing in entry.timings or (None,):
            for option in (*entry.options, "rounds", "scope", "groups"):
                yield network, entry.name, timing, f"pruner.{option}"


def outcome(error: type[Exception], attempt: Callable[[], Any]) -> tuple[Any, str | None]:
    """What an attempt gives, or why it is refused."""
    try:
        return attempt(), None
    except error as refusal:
        return None, str(refusal)


def test_no_option_reads_its_number_without_bounds():
    assert len(list(numbers())) > 25
    assert [name for name, action in numbers() if action.type in (int, float)] == []


@pytest.mark.parametrize("value", VALUES)
def test_numbers_among_the_options_are_read_or_refused(value):
    for name, action in numbers():
        found, refusal = outcome(argparse.ArgumentTypeError, lambda action=action: action.type(value))
        if refusal is None:
            assert 0 <= found <= 10**9, name
        else:
            assert "is out of range: it must be" in refusal or "is not a" in refusal, name


@pytest.mark.parametrize("value", VALUES)
def test_whatever_is_set_is_resolved_or_refused_in_one_line(value):
    for arch, pruner, timing, key in settings():
        request = Request(arch, pruner, timing, size="toy", settings=(f"{key}={value}",))
        found, refusal = outcome(RequestError, lambda request=request: resolve(request))
        if refusal is None:
            assert len(found.stages) <= 2000, key
            assert found.plan.steps <= 10**7, key
        else:
            assert len(refusal) < 400, key


@pytest.mark.parametrize("value", [v for v in VALUES if v])
@pytest.mark.parametrize(
    "option",
    ["--seed=", "--acceleration=", "--sparsity=", "--set=train.batch=", "--control=small-", "--train-on=knee-"],
)
def test_a_run_is_planned_or_refused_in_one_line(capsys, tmp_path, option, value):
    pruner = "dense" if "control" in option else "snip"
    words = ["run", "--arch", "modl", "--pruner", pruner, "--size", "toy", "--device", "cpu", "--dry-run"]
    code = main([*words, option + value, "--out", str(tmp_path)])
    err = capsys.readouterr().err.replace("\r", "\n")  # with the bars of the simulation
    assert code in (0, 2)
    assert len([line for line in err.splitlines() if line.startswith("bench: ")]) == (1 if code else 0)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep", "toy", "--workers", "0"], "argument --workers: 0 is out of range: it must be at least 1 and"),
        (["sweep", "toy", "--executor", "ray", "--gpus", "nan"], "argument --gpus: nan is out of range"),
        (["store", "trim", "--days", "nan"], "argument --days: nan is out of range"),
        (["check", "statistics", "--repetitions", "1e22"], "argument --repetitions: '1e22' is not a whole number"),
        (["check", "sweep", "--kills", "-1"], "argument --kills: -1 is out of range"),
        (
            ["speed", "channels", "--removed", "1"],
            "argument --removed: 1.0 is out of range: it must be at least 0 and below",
        ),
        (["verify", "modl/dense", "--seed", "9" * 5000], "argument --seed: '" + "9" * 40 + "…' is not a whole number"),
    ],
)
def test_the_line_says_what_would_do(capsys, words, message):
    code = main(words)
    err = capsys.readouterr().err
    assert (code, len(err.splitlines())) == (2, 1)
    assert message in err
