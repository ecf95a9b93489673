"""The option ``--tensorboard``."""

import argparse
from collections.abc import Callable
from pathlib import Path


def add_option(parser: argparse.ArgumentParser) -> None:
    """Declare it."""
    parser.add_argument(
        "--tensorboard",
        metavar="DIR",
        help="also write the training curves there for TensorBoard (optional extra)",
    )


def exporter(chosen: argparse.Namespace) -> Callable[[Path], list[str]]:
    """What writes the curves of a trial, given its folder, where the option is given; it gives a line to say.

    Raises
    ------
    RequestError
        If TensorBoard is not installed.
    """
    if chosen.tensorboard is None:
        return lambda folder: []
    from bench.evaluation.tensorboard import export, summary_writer

    writer = summary_writer()
    return lambda folder: [export(folder, Path(chosen.tensorboard), writer)]
