"""Commands whose output goes nowhere, or to a terminal with few letters: no traceback, no lost exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FULL = Path("/dev/full")


def bench(redirected, **environment):
    """The exit code and what reached standard output and error."""
    ended = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m bench {redirected}"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        check=False,
    )
    return ended.returncode, ended.stdout.decode("latin-1"), ended.stderr.decode("latin-1")


@pytest.mark.parametrize(
    ("redirected", "expected"),
    [
        ("list pruners >&-", 0),
        ("list pruners 2>&-", 0),
        ("list pruners <&- >&- 2>&-", 0),
        ("list nonsense 2>&-", 2),
    ],
)
def test_closed_streams_change_nothing(redirected, expected):
    code, out, err = bench(redirected)
    assert code == expected
    assert "Traceback" not in err
    assert ("magnitude" in out) == (redirected == "list pruners 2>&-")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_output_that_fits_nowhere_is_named_and_an_error_that_fits_nowhere_keeps_its_code():
    code, _, err = bench("list pruners >/dev/full")
    assert (code, err.count("\n")) == (2, 1)
    assert "No space left" in err
    assert bench("list nonsense 2>/dev/full") == (2, "", "")


def test_a_reader_that_is_gone_is_named():
    """It goes before the first word comes."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "bench", "list", "pruners"]
        ended = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert ended.returncode == 1
    assert ended.stderr == b"bench: nobody reads the output any more; give the command again\n"


@pytest.mark.parametrize("letters", ["ascii", "latin-1", "cp1252", "gbk"])
def test_terminals_with_few_letters_get_what_they_have(letters):
    few = {"PYTHONIOENCODING": letters, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    code, out, err = bench("list pruners", **few)
    assert (code, err) == (0, "")
    assert "magnitude" in out
    code, _, err = bench("run --arch modl --pruner 'snîp·'", **few)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("bench: ")
