"""Text of records as text of pages, tables and shells: nothing that a record says is code there."""

import base64
import html
import json
import shlex
import zlib
from typing import Any

FORMULA = ("=", "+", "-", "@")
MARKDOWN = "\\`*[]|"
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\^{}",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def html_text(text: str) -> str:
    """As content or attribute of an HTML element."""
    return html.escape(_printable(text))


def packed_json(value: Any) -> str:
    """JSON as zlib's stream in base64: text without any tag, which browsers unpack, of a fraction of the size."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode()


def markdown_text(text: str) -> str:
    """As text of Markdown, also in a cell of a table."""
    plain = "".join(f"\\{c}" if c in MARKDOWN else c for c in _one_line(text))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def latex_text(text: str) -> str:
    """As text of LaTeX."""
    return "".join(LATEX.get(character, character) for character in _one_line(text))


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    text = _one_line(value)
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.startswith(FORMULA) else text
    return text


def shell_words(words: list[str]) -> str:
    """A command line, each word as it is."""
    return shlex.join(_one_line(word) for word in words)


def _one_line(text: str) -> str:
    return " ".join(_printable(text).split())


def _printable(text: str) -> str:
    """Without control characters and lone surrogates, which no file of text can hold."""
    return "".join(c if c.isprintable() or c in "\n\t " else "\N{REPLACEMENT CHARACTER}" for c in text)
