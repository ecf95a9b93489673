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


def load(chosen: argparse.Namespace) -> dict[str, str]:
    """Register the entries of the files that are named; gives what `bench.trials.plugins.load_plugins` does."""
    if not chosen.plugin:
        return {}
    from bench.trials.plugins import load_plugins

    return load_plugins(chosen.plugin)
