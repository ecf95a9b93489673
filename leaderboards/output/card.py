"""The card beside a board: what its numbers can and cannot be used for."""

from leaderboards.board.values import Board
from leaderboards.output.escapes import markdown_text
from leaderboards.output.formats import head_lines


def card(board: Board) -> str:
    """Markdown."""
    head = board.head
    simulated = head.kind == "simulated"
    about = (
        "All patients are simulated (docs/data.md). The figures say how pruning methods compare under conditions that "
        "are known exactly; they say nothing about image quality in patients, and absolute values must not be set "
        "beside those of real data."
        if simulated
        else "The data are those of fastMRI; splits and undersampling are described in docs/data.md."
    )
    lines = [
        f"# Board of track {markdown_text(head.track)}",
        "",
        *(f"- {markdown_text(line)}" for line in head_lines(head)),
        "",
        "## What is here",
        "",
        "| file | what it is |",
        "|---|---|",
        "| `index.html` | the page: sort, filter, intervals, commands; works offline |",
        "| `leaderboard.md`, `results.csv`, `tables.tex` | the same as tables |",
        "| `figures/` | SVG and PNG |",
        "| `records*.parquet`, `volumes*.parquet` | every record, without loss: one row per trial, one per volume |",
        *(["| `speed.json` | measured speed, memory and size, as ratios to dense |"] if board.speeds else []),
        "| `examples/` | a few reconstructions |",
        "",
        f"`python -m bench leaderboard {head.track}` builds all of it again from the Parquet files,",
        "byte for byte under the locked versions; `--records DIR` takes other records. `python -m bench verify ROW`",
        "runs a row again.",
        "",
        "## What the figures can be used for",
        "",
        f"- {about}",
        "- Only the confirmatory contrasts at ten seeds or more are claims; everything else is exploratory.",
        "- Ranks hold within an architecture: networks of different size and physics are not ranked together.",
        "- With fewer than ten seeds an interval is conditional on the networks that were trained.",
        "- Compression and the share of multiply–accumulates are theory; masked zeros make nothing faster. Measured",
        "  speed holds for the device that is named and for these image sizes.",
        "- `pun` is our reading of a method whose schedule is not public; it says nothing about the authors' code.",
        "",
    ]
    return "\n".join(lines)
