"""``--plugin FILE``, wherever a command takes it."""

import argparse


def add_option(parser: argparse.ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="FILE",
        help="Python file that registers entries of your own; may be repeated",
    )


def load(chosen: argparse.Namespace) -> None:
    """Register the entries of the files that are named."""
    if chosen.plugin:
        from bench.trials.plugins import load_plugins

        load_plugins(chosen.plugin)
