"""``--plugin FILE``, wherever a command takes it."""

import argparse
from pathlib import Path


def add_option(parser: argparse.ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument("--plugin", metavar="FILE", help="Python file that registers entries of your own")


def load(chosen: argparse.Namespace) -> None:
    """Register the entries of the file, after the built-in ones, so that none of them can be shadowed."""
    from architectures import architectures
    from pruners import pruners
    from registries import load_plugin

    if chosen.plugin:
        for registry in (architectures, pruners):
            registry.names()
        load_plugin(Path(chosen.plugin))
