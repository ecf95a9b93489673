"""``leaderboard``: tables, figures and the page of a track."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.tracks.track import Track
    from records.grid import Outline, Question

PUBLISHED = "leaderboards/published"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "leaderboard",
        help="build the board of a track",
        description="Build tables, figures and the page of a track, from records or from its own Parquet files.",
    )
    parser.add_argument("track", metavar="TRACK", help="name of a track, or the path of a .toml file")
    parser.add_argument("--records", nargs="+", default=[], metavar="DIR", help="folders of records or of boards")
    parser.add_argument("--out", metavar="DIR", help=f"where the board lies (default {PUBLISHED}/TRACK)")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    from bench.tracks.track import find_track
    from leaderboards.output.formats import head_lines
    from leaderboards.publish import publish

    track = find_track(chosen.track)
    folder = Path(chosen.out) if chosen.out else Path(PUBLISHED) / track.name
    board = publish(outline_of(track, chosen.track), folder, [Path(source) for source in chosen.records])
    print("\n".join(head_lines(board.head)))
    print(f"board: {folder / 'index.html'}")
    return 0


def outline_of(track: "Track", name: str) -> "Outline":
    """What the board of a track is to hold."""
    from bench.sweep.grid import Surroundings, expand, row_of
    from records.grid import Cell, Outline

    cells = tuple(
        Cell(
            row=row_of(request),
            arch=request.arch,
            pruner=request.pruner,
            timing=request.timing,
            sparsity=request.sparsity or "0",
            control=request.control,
            size=str(request.size),
            train_on=request.train_on,
            acceleration=request.acceleration,
            seed=request.seed,
        )
        for request in expand(track, Surroundings(name))
    )
    return Outline(track.name, cells, questions_of(track))


def questions_of(track: "Track") -> "tuple[Question, ...]":
    """The contrasts that a track fixed beforehand."""
    from dataclasses import asdict

    from records.grid import Question

    return tuple(Question(**asdict(contrast)) for contrast in track.contrasts)
