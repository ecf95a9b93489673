"""Writing a board into its folder: Parquet, tables, figures, page and card."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import safetensors.numpy

from leaderboards.board.build import build_board
from leaderboards.board.papers import read_references
from leaderboards.board.values import Board
from leaderboards.figures.all import draw_all
from leaderboards.figures.examples import read_examples, read_images
from leaderboards.output.card import card
from leaderboards.output.formats import (
    contrast_cells,
    latex,
    markdown,
    panel_cells,
    results_csv,
    shift_cells,
    speed_cells,
)
from leaderboards.page import page
from leaderboards.rows.rows import read_records
from records.archive import from_rows, holds_archive, read_archive, to_rows, write_archive
from records.grid import Outline
from records.record import FILE, Record
from records.row_name import DENSE, RowName
from records.setting import Setting, newest_of
from records.speed import read_speeds, write_speeds
from registries import RequestError
from registries.files import replacing
from registries.text import plural

EXAMPLES = "examples"
EXAMPLE_FILE = "examples.safetensors"
EXAMPLE_PRUNERS = ("dense", "snip")
"""Of each architecture."""
EXAMPLE_SEED = 0


def publish(
    outline: Outline, folder: Path, sources: Sequence[Path], say: Callable[[str], None] = lambda line: None
) -> Board:
    """Build a board from the records of some folders, or else from what is committed in its own folder.

    Parameters
    ----------
    outline : Outline
    folder : Path
        Where the board lies.
    sources : sequence of Path
        Of records; empty for those in ``folder``.
    say : callable
        Told what is left out.

    Raises
    ------
    RequestError
        If there are no records, or they do not belong together.
    """
    records = _records(outline, folder, sources, say)
    where = ", ".join(map(str, sources)) or str(folder)
    # what was measured before stays, also where its network is gone
    speeds = read_speeds(dict.fromkeys([folder, *sources]), outline.track)
    board = build_board(records, outline, where, speeds)
    folder.mkdir(parents=True, exist_ok=True)
    if sources:
        write_archive(folder, records)
        write_speeds(folder, board.speeds)
        _keep_examples(board, sources, folder / EXAMPLES)
    figures = folder / "figures"
    shutil.rmtree(figures, ignore_errors=True)
    drawn = draw_all(board, read_examples(folder / EXAMPLES), figures)
    references = read_references()
    _write(folder / "leaderboard.md", markdown(board, references, drawn))
    _write(folder / "results.csv", results_csv(board))
    _write(folder / "index.html", page(board, references, drawn, figures))
    _write(folder / "README.md", card(board))
    _write(folder / "tables.tex", "\n".join(_latex(board)))
    return board


def _records(outline: Outline, folder: Path, sources: Sequence[Path], say: Callable[[str], None]) -> list[Record]:
    if not sources:
        if not holds_archive(folder):
            raise RequestError(f"{folder}: holds no records.parquet; name records by --records")
        return read_archive(folder)
    records = read_records(*sources)
    tracks = [record.trial.resolved.track for record in records]
    for track in sorted(set(tracks) - {outline.track}):
        if outline.track in tracks:
            say(f"left out: {plural(tracks.count(track), 'record')} of track {track}")
            records = [record for record in records if record.trial.resolved.track != track]
    return from_rows(*to_rows(newest_of(records)))  # in the order in which they are read again


def _keep_examples(board: Board, sources: Sequence[Path], folder: Path) -> None:
    """Keep a few example images of each architecture: dense, and the best rows of some pruners."""
    panel = board.panels[0]
    available: dict[RowName, Path] = {}
    for path in (path for source in sources for path in sorted(source.glob(f"**/{EXAMPLE_FILE}"))):
        if path.with_name(FILE).exists():
            record = Record.read(path.with_name(FILE))
            fits = record.ok and record.seed == EXAMPLE_SEED and Setting.of(record) == panel.setting
            if fits:
                available[record.row] = path
    if not available:
        return
    folder.mkdir(parents=True, exist_ok=True)
    best = sorted(panel.lines, key=lambda line: (line.name.pruner != DENSE, line.rank_inside or 10**6, line.name))
    chosen: list[RowName] = []
    for arch in panel.archs:
        own = [line for line in best if line.arch == arch and not line.name.control and line.name in available]
        kinds = {line.name.pruner: line.name for line in reversed(own)}
        chosen += list(dict.fromkeys([kinds[k] for k in EXAMPLE_PRUNERS if k in kinds]))
    splits = {condition.split for condition in panel.both}
    for name in chosen:
        images = read_images(available[name])
        kept = {key: image for key, image in images.items() if key.split(".")[0] in splits}
        with replacing(folder / f"{name.replace('/', '__')}.safetensors") as path:
            safetensors.numpy.save_file(kept, path)


def _latex(board: Board) -> list[str]:
    parts = []
    if board.speeds:
        parts.append(latex(speed_cells(board), f"Quality beside measured speed, track {board.head.track}"))
    if board.contrasts:
        parts.append(latex(contrast_cells(board), f"Confirmatory contrasts of track {board.head.track}"))
    for panel in board.panels:
        for arch in panel.archs:
            parts.append(latex(panel_cells(panel, panel.lines_of(arch)), f"{arch}, {panel.setting}"))
        cells = shift_cells(panel, panel.inside.split)
        if len(cells) > 1:
            parts.append(latex(cells, f"Change against dense under shifts, {panel.setting}"))
    return parts


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
