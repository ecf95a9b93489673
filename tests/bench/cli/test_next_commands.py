"""What a run offers at its end can be pasted, and ends well."""

import shlex
from types import SimpleNamespace

import pytest

from bench.cli import COMMANDS, main
from bench.cli.next_commands import after_run, names_of
from tests.bench.toy import toy_plan, toy_request


@pytest.fixture
def paste(capsys):
    """Carry out a command as a shell would; gives what it printed."""

    def carry_out(line):
        python, dash, bench, *arguments = shlex.split(line)
        assert (python, dash, bench) == ("python", "-m", "bench")
        assert main(arguments) == 0, line
        return capsys.readouterr().out

    return carry_out


def offered(out):
    lines = out.splitlines()
    return [line.removeprefix("  ") for line in lines[lines.index("next:") + 1 :]]


def test_each_command_that_is_offered_works(paste, tmp_path):
    results = tmp_path / "my results"
    run = ["run", "--arch", "modl", "--pruner", "random", "--size", "toy", "--device", "cpu", "--out", str(results)]
    settings = ["--seed", "1", "--set", "train.steps=8", "--set", "pruner.scope=layer-wise", "--shifts", "noise-20"]
    out = paste(shlex.join(["python", "-m", "bench", *run, *settings]))
    dense, show, *others = offered(out)
    assert "verdict on seed 1 alone" in paste(show)
    assert "modl/dense@train.steps=8 · size toy" in paste(dense)
    again = paste(shlex.join(["python", "-m", "bench", *run, *settings]))
    assert "from modl/dense@train.steps=8" in again or "than modl/dense@train.steps=8" in again
    compare, *rest = offered(again)
    assert rest == [show, *others]
    assert "exploratory" in paste(compare)
    assert "--a modl/random" in compare
    for line in others:
        paste(line)


def test_where_names_say_too_little_every_row_is_compared(paste, tmp_path):
    for size in ([], ["--size", "demo"]):
        for pruner in ("dense", "random"):
            line = ["run", "--arch", "modl", "--pruner", pruner, "--track", "toy", "--out", str(tmp_path), *size]
            out = paste(shlex.join(["python", "-m", "bench", *line, "--device", "cpu"]))
    compare = offered(out)[0]
    assert compare.endswith("--against dense")
    assert "modl/random/at-init/0.9" in paste(compare)


def test_a_quiet_run_offers_nothing(paste, tmp_path):
    line = ["run", "--arch", "modl", "--pruner", "dense", "--size", "toy", "--device", "cpu", "--quiet"]
    out = paste(shlex.join(["python", "-m", "bench", *line, "--out", str(tmp_path)]))
    assert "next:" not in out
    assert "verdict on seed 0 alone" in out


def test_commands_that_there_are_not_are_not_offered(tmp_path):
    planned, request = toy_plan(tmp_path), toy_request(tmp_path)
    reconstruct = SimpleNamespace(__name__="bench.cli.reconstruct")
    with_it = list(after_run(request, planned, None, [], names_of([reconstruct])))
    without = list(after_run(request, planned, None, [], names_of([])))
    assert with_it[:-1] == without
    (first, *_) = planned.test.splits["knee"]  # what it was trained for comes first
    assert shlex.split(with_it[-1])[3:] == ["reconstruct", str(planned.folder), first.path]
    assert names_of(COMMANDS) >= {"run", "show", "sweep", "compare"}


def test_given_dense_weights_have_no_dense_partner_to_run(tmp_path):
    planned = toy_plan(tmp_path, pruner="magnitude", timing="after")
    request = toy_request(tmp_path, pruner="magnitude", timing="after", dense_weights="weights.safetensors")
    assert not any("--pruner dense" in line for line in after_run(request, planned, None, [], ()))
