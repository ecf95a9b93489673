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

from bench.cli import check, compare, data, export, leaderboard, lengths, run, show, speed, status, store, sweep, verify
from bench.cli import list as listing
from registries import RequestError

COMMANDS = (run, show, sweep, status, store, compare, lengths, leaderboard, verify, listing, export, data, check, speed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        0 done, 1 a trial failed, 2 a bad request or bad data.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal or a file that knows fewer letters
            stream.reconfigure(errors="backslashreplace")
    with suppress(OSError, ValueError):  # of streams without a file
        faulthandler.enable(all_threads=False)  # a plug-in that crashes the process does not do so in silence
    parser = _parser()
    chosen = parser.parse_args(speed.completed(sys.argv[1:] if arguments is None else arguments))
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_MININTERVAL", "10")  # a progress bar in a log file speaks less often
    try:
        _check_packages()
        code: int = chosen.execute(chosen)
        sys.stdout.flush()  # whoever does not read is noticed here, not after the exit code is given
    except RequestError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("bench: nobody reads the output any more; give the command again", file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, a cache that cannot be written
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except MemoryError:
        print(f"bench: {os.strerror(errno.ENOMEM)}; give the same command with more of it", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted; the same command continues", file=sys.stderr)
        return 130
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
