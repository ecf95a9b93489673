"""What the options of an entry mean: the section ``Parameters`` of its docstring, the one place that says it."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

SECTIONS = ("Parameters", "Attributes")


def meanings_of(code: Callable[..., Any]) -> dict[str, str]:
    """Meaning by parameter, in one line each, as a numpy-style docstring has it; without those that it leaves bare."""
    found: dict[str, str] = {}
    for names, lines in _described(inspect.getdoc(code) or ""):
        if meaning := " ".join(lines):
            found |= dict.fromkeys(names, meaning)
    return found


def _described(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Names and lines of each parameter; several may share a description."""
    names: list[str] = []
    meaning: list[str] = []
    for line in _section(text.splitlines()):
        if line.strip() and not line.startswith(" "):
            yield names, meaning
            names, meaning = [name.strip() for name in line.partition(" : ")[0].split(",")], []
        elif line.strip():
            meaning.append(line.strip())
    yield names, meaning


def _section(lines: list[str]) -> list[str]:
    """The lines below the underlined head of a section, up to the next head."""
    heads = [n for n, line in enumerate(lines[1:]) if line.strip() and set(line.strip()) == {"-"}]
    for place, head in enumerate(heads):
        if lines[head].strip() in SECTIONS:
            end = heads[place + 1] if place + 1 < len(heads) else len(lines)
            return lines[head + 2 : end]
    return []
