"""``leaderboard``: tables, figures and the page of a track."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import plugins

if TYPE_CHECKING:
    from bench.tracks.track import Track
    from records.grid import Outline

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
    plugins.add_option(parser)
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    from bench.tracks.track import find_track
    from leaderboards.output.formats import head_lines
    from leaderboards.publish import publish

    plugins.load(chosen)
    track = find_track(chosen.track)
    folder = Path(chosen.out) if chosen.out else Path(PUBLISHED) / track.name
    board = publish(outline_of(track, chosen.track), folder, [Path(source) for source in chosen.records], print)
    print("\n".join(head_lines(board.head)))
    print(f"board: {folder / 'index.html'}")
    return 0


def outline_of(track: "Track", name: str) -> "Outline":
    """What the board of a track is to hold."""
    from bench.sweep.grid import SweepOptions, expand, row_of
    from records.grid import Outline
    from records.setting import CellKey

    cells = tuple(
        CellKey(row_of(request), str(request.size), request.train_on, request.acceleration, request.seed)
        for request in expand(track, SweepOptions(name))
    )
    return Outline(track.name, cells, track.contrasts)
