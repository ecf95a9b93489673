"""From a board to one HTML file without any request to elsewhere."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from leaderboards.board.papers import Reference
from leaderboards.board.questions import questions
from leaderboards.board.values import Board, Head, Line, Panel
from leaderboards.output.escapes import html_text, packed_json, shell_words
from leaderboards.output.formats import (
    SPEED_WORDS,
    Cells,
    baseline_cells,
    contrast_cells,
    head_lines,
    reference_cells,
    speed_cells,
)
from leaderboards.rows.rows import DEFAULT, Condition
from leaderboards.statistics import Estimate


def page(board: Board, references: Sequence[Reference], figures: Sequence[tuple[str, str]], folder: Path) -> str:
    """The page.

    Parameters
    ----------
    board : Board
    references : sequence of Reference
    figures : sequence of (file name, caption)
        Drawn before, as PNG and SVG in ``folder``.
    folder : Path
    """
    parts = resources.files("leaderboards.page")
    vendor = parts.joinpath("vendor")
    study = "Simulator study" if board.head.kind == "simulated" else "Real data"
    values = {
        "title": html_text(f"PUN-Bench: {board.head.track}"),
        "study": study,
        "head": "".join(f"<li>{html_text(line)}</li>" for line in head_lines(board.head)),
        "questions": "".join(_question(*found) for found in questions(board)),
        "contrasts": _table(contrast_cells(board)) if board.contrasts else "<p>No contrast has its rows yet.</p>",
        "speed": f"<p>{html_text(SPEED_WORDS)}</p>{_table(speed_cells(board))}"
        if board.speeds
        else "<p>Nothing was measured yet.</p>",
        "baselines": "".join(f"<h3>{html_text(str(p.setting))}</h3>{_table(baseline_cells(p))}" for p in board.panels),
        "references": _table(reference_cells(references)),
        "figures": "".join(_figure(folder / f"{name}.png", caption, name) for name, caption in figures),
        "data": packed_json(_data(board)),
        "library": vendor.joinpath("tabulator.min.js").read_text(encoding="utf-8"),
        "library_style": vendor.joinpath("tabulator.min.css").read_text(encoding="utf-8"),
        "style": parts.joinpath("page.css").read_text(encoding="utf-8"),
        "script": parts.joinpath("page.js").read_text(encoding="utf-8"),
    }
    values["policy"] = html_text(_policy(values["library"], values["script"]))
    template = Template(parts.joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(values)


def _data(board: Board) -> dict[str, Any]:
    """Lines with short lists of figures, which the script of the page unfolds: one file holds thousands of them."""
    conditions = list(dict.fromkeys(condition for panel in board.panels for condition in panel.conditions))
    places = {condition: number for number, condition in enumerate(conditions)}
    lines = [_line(board, panel, line, places) for panel in board.panels for line in panel.lines]
    first = board.panels[0]
    return {
        "setting": str(first.setting),
        "split": first.inside.split,
        "conditions": [[c.split, c.shift] for c in conditions],
        "lines": lines,
    }


def _line(board: Board, panel: Panel, line: Line, places: Mapping[Condition, int]) -> dict[str, Any]:
    ranks = dict(zip(panel.both, (line.rank_inside, line.rank_outside), strict=False))
    return {
        "setting": str(panel.setting),
        "row": line.name,
        "architecture": line.arch,
        "pruner": line.name.pruner,
        "timing": line.name.timing or "–",
        "control": line.name.control or "–",
        "seen": line.mask.seen if line.mask else "",
        "seeds": len(line.seeds),
        "compression": _rounded(line.mask.compression if line.mask else None, 2),
        "cost": _rounded(line.cost.relative if line.cost else None, 3),
        "macs": _rounded(line.cost.kept_macs / line.cost.macs, 3) if line.cost else None,
        "faster": _faster(board, panel, line),
        "robustness": _rounded(line.robustness, 3),
        "notes": "; ".join(line.notes),
        "command": command(line, panel, board.head) if line.seeds else "",
        "wording": next((found.wording for found in line.scores.values()), ""),
        # condition, patients, rank, PSNR and its interval, change and its interval
        "figures": [
            [places[c], found.patients, ranks.get(c), *_figures(found), *_figures(line.changes.get(c))]
            for c, found in line.scores.items()
        ],
    }


def _faster(board: Board, panel: Panel, line: Line) -> float | None:
    """How many times faster than dense the compacted network was, on the first device."""
    found = board.speeds_of(line, panel)
    return _rounded(found[0].faster("compacted", found[0].first).median, 2) if found else None


def command(line: Line, panel: Panel, head: Head) -> str:
    """What runs a row again, for its first seed; plug-ins are those whose entries ran, the reader knows where."""
    name, setting = line.name, panel.setting
    options = [("--arch", name.arch), ("--pruner", name.pruner)]
    options += [("--timing", name.timing), ("--sparsity", name.sparsity)] if name.timing else []
    options += [("--control", name.control)] if name.control else []
    options += [("--set", f"{setting_name}={value}") for setting_name, value in name.settings]
    options += [("--size", setting.size), ("--track", head.track), ("--train-on", setting.train_on)]
    options += [("--acceleration", str(setting.acceleration)), ("--seed", str(line.seeds[0] if line.seeds else 0))]
    options += [("--protocol", head.protocol), ("--device", setting.device)]
    options += [("--data", "ROOT")] if head.kind == "real" else []
    origins = {entry.origin for entry in panel.rows[name].first.provenance.entries}
    options += [("--plugin", "FILE")] * sum(origin.startswith("sha256:") for origin in origins)
    shifts = list(dict.fromkeys(condition.shift for condition in line.scores if condition.shift != DEFAULT))
    if any(value.startswith("-") for value in (*shifts, *(value for _, value in options))):
        return ""  # a name that the command line would take for an option
    words = [word for option in options for word in option]
    return shell_words(["python", "-m", "bench", "run", *words, *(["--shifts", *shifts] if shifts else [])])


def _policy(*scripts: str) -> str:
    """Content security: these very scripts, pictures of the page itself, nothing from elsewhere."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    here = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'"
    return f"{here}; script-src {allowed}"


def _question(question: str, answers: Sequence[str]) -> str:
    items = "".join(f"<li>{html_text(answer)}</li>" for answer in answers) or "<li>No records yet.</li>"
    return f"<details open><summary>{html_text(question)}</summary><ul>{items}</ul></details>"


def _table(cells: Cells) -> str:
    head, *body = cells
    top = "".join(f'<th scope="col">{html_text(cell)}</th>' for cell in head)
    rows = "".join("<tr>" + "".join(f"<td>{html_text(cell)}</td>" for cell in row) + "</tr>" for row in body)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table></div>'


def _figure(path: Path, caption: str, name: str) -> str:
    image = base64.b64encode(path.read_bytes()).decode()
    words = html_text(caption)
    return (
        f'<figure><img alt="{words}" loading="lazy" src="data:image/png;base64,{image}">'
        f"<figcaption>{words} (figures/{html_text(name)}.svg)</figcaption></figure>"
    )


def _figures(found: Estimate | None) -> list[float | None]:
    """Mean and both ends of the interval; None where there is none."""
    if found is None:
        return [None, None, None]
    values = [float(found.mean), *(float(end) for end in found.interval())]
    return [_rounded(value, 3) if np.isfinite(value) else None for value in values]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
