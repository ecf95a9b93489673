"""The command line: one module per command; nothing heavy is imported before a command is known."""

import argparse
import errno
import faulthandler
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.cli import (
    check,
    compare,
    data,
    evaluate,
    export,
    leaderboard,
    lengths,
    reconstruct,
    run,
    show,
    speed,
    status,
    store,
    sweep,
    verify,
)
from bench.cli import list as listing
from registries import RequestError

COMMANDS = (
    *(run, show, evaluate, reconstruct, sweep, status, store, compare, lengths, leaderboard, verify),
    *(listing, export, data, check, speed),
)
STDOUT, STDERR = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        0 done, 1 a trial failed, 2 a bad request or bad data.
    """
    _prepare_streams()
    try:
        code = _carry_out(arguments)
        sys.stdout.flush()  # whoever does not read is noticed here, not after the exit code is given
    except RequestError as error:
        return _ended(str(error), 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _ended("nobody reads the output any more; give the command again", 1)
    except OSError as error:  # a full disk, a cache that cannot be written
        return _ended(str(error), 2)
    except MemoryError:
        return _ended(f"{os.strerror(errno.ENOMEM)}; give the same command with more of it", 2)
    except KeyboardInterrupt:
        return _ended("interrupted; the same command continues", 130)
    return code


def _prepare_streams() -> None:
    """Output goes somewhere, whatever it holds: nothing is lost for a letter, no file takes the place of a stream."""
    while (free := os.open(os.devnull, os.O_RDWR)) <= STDERR:  # one that was closed would be the next file's number
        continue
    os.close(free)
    for name, number in (("stdout", STDOUT), ("stderr", STDERR)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # a terminal or a file that knows fewer letters
            stream.reconfigure(errors="backslashreplace")
    with suppress(OSError, ValueError):  # of streams without a file
        faulthandler.enable(all_threads=False)  # a plug-in that crashes the process does not do so in silence


def _carry_out(arguments: Sequence[str] | None) -> int:
    try:
        chosen = _parser().parse_args(speed.completed(sys.argv[1:] if arguments is None else arguments))
    except SystemExit as ended:  # help, or an unknown option that was named
        return int(ended.code or 0)
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_MININTERVAL", "10")  # a progress bar in a log file speaks less often
    _check_packages()
    code: int = chosen.execute(chosen)
    return code


def _ended(why: str, code: int) -> int:
    with suppress(OSError):  # of a stream that takes nothing any more: the exit code still says it
        print(f"bench: {why}", file=sys.stderr, flush=True)
    return code


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, like everything else here."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(2, f"bench: {message}; `{self.prog} --help` shows what there is\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m bench", description="Unrolled MRI networks × pruning methods × timings.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for command in COMMANDS:
        command.add(commands)
    return parser


def _check_packages() -> None:
    """Another project's package `datasets` may come first on the path."""
    import datasets

    ours = Path(__file__).resolve().parents[2] / "datasets"
    found = [Path(entry).resolve() for entry in getattr(datasets, "__path__", [datasets.__file__])]
    if found != [ours]:
        raise RequestError(
            f"the package 'datasets' is another project's ({found[0]}): run from the clone's own folder or uninstall it"
        )
