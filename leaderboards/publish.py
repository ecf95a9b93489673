"""Writing a board into its folder: Parquet, tables, figures, page and card."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import safetensors.numpy

from bench.record import FILE, Record
from leaderboards.archive import holds_archive, read_archive, write_archive
from leaderboards.board import Board, Setting, build_board
from leaderboards.card import card
from leaderboards.figures.all import draw_all
from leaderboards.figures.examples import read_examples, read_images
from leaderboards.outline import Outline
from leaderboards.page import page
from leaderboards.references import read_references
from leaderboards.results import read_records
from leaderboards.tables import contrast_cells, latex, markdown, panel_cells, results_csv, shift_cells
from registries import RequestError

EXAMPLES = "examples"
EXAMPLE_FILE = "examples.safetensors"
MOST_EXAMPLES = 8
EXAMPLE_SEED = 0


def publish(outline: Outline, folder: Path, sources: Sequence[Path]) -> Board:
    """Build a board from the records of some folders, or else from what is committed in its own folder.

    Parameters
    ----------
    outline : Outline
    folder : Path
        Where the board lies.
    sources : sequence of Path
        Of records; empty for those in ``folder``.

    Raises
    ------
    RequestError
        If there are no records, or they do not belong together.
    """
    records = _records(folder, sources)
    where = ", ".join(map(str, sources)) or str(folder)
    board = build_board(records, outline, where)
    folder.mkdir(parents=True, exist_ok=True)
    if sources:
        write_archive(folder, records)
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


def _records(folder: Path, sources: Sequence[Path]) -> list[Record]:
    if not sources:
        if not holds_archive(folder):
            raise RequestError(f"{folder}: holds no records.parquet; name records by --records")
        return read_archive(folder)
    found: dict[tuple[object, ...], Record] = {}
    for record in (record for source in sources for record in read_records(source)):
        trial = record.trial
        names = ("size", "train_on", "acceleration", "seed", "protocol")
        key = (record.row, *(trial[name] for name in names), str(sorted(trial["options"].items())), _device(record))
        # a trial that was carried out replaces one that failed or was skipped; more shifts replace fewer
        weight = (record.ok, len(record.content["volumes"]))
        known = found.get(key)
        if known is None or weight > (known.ok, len(known.content["volumes"])):
            found[key] = record
    return list(found.values())


def _device(record: Record) -> str:
    return str(record.content["provenance"]["numerics"]["device"])


def _keep_examples(board: Board, sources: Sequence[Path], folder: Path) -> None:
    """Keep a few example images of each architecture: dense, and the best rows of some pruners."""
    panel = board.panels[0]
    available: dict[str, Path] = {}
    for path in (path for source in sources for path in sorted(source.glob(f"**/{EXAMPLE_FILE}"))):
        if path.with_name(FILE).exists():
            record = Record.read(path.with_name(FILE))
            fits = record.ok and record.trial["seed"] == EXAMPLE_SEED and Setting.of(record) == panel.setting
            if fits:
                available[record.row] = path
    if not available:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    best = sorted(panel.lines, key=lambda line: (line.trial["pruner"] != "dense", line.rank_inside or 10**6, line.name))
    chosen: list[str] = []
    for arch in panel.archs:
        own = [line for line in best if line.arch == arch and not line.trial["control"] and line.name in available]
        kinds = {str(line.trial["pruner"]): line.name for line in reversed(own)}
        chosen += list(dict.fromkeys([kinds[k] for k in ("dense", "snip", "pun", "random") if k in kinds]))
    splits = {panel.setting.inside.split, panel.setting.outside.split}
    for name in chosen[:MOST_EXAMPLES]:
        images = read_images(available[name])
        kept = {key: image for key, image in images.items() if key.split(".")[0] in splits}
        safetensors.numpy.save_file(kept, folder / f"{name.replace('/', '__')}.safetensors")


def _latex(board: Board) -> list[str]:
    parts = []
    if board.contrasts:
        parts.append(latex(contrast_cells(board), f"Confirmatory contrasts of track {board.head.track}"))
    for panel in board.panels:
        for arch in panel.archs:
            parts.append(latex(panel_cells(panel, panel.lines_of(arch)), f"{arch}, {panel.setting}"))
        cells = shift_cells(panel, panel.setting.inside.split)
        if len(cells) > 1:
            parts.append(latex(cells, f"Change against dense under shifts, {panel.setting}"))
    return parts


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
