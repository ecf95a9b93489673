"""Text for terminals."""

import difflib
from collections.abc import Iterable, Iterator, Sequence


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of text: the first two to the left, figures to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        yield "  ".join(cells).rstrip()


def offer(name: str, known: Iterable[str]) -> str:
    """What an unknown name may have meant, and all names there are."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    if not names:
        return "there are none"
    return f"{meant}there {'are' if len(names) > 1 else 'is only'} {', '.join(names)}"


def plural(number: int, noun: str) -> str:
    """A number with its noun."""
    ending = "" if number == 1 else "es" if noun.endswith("x") else "s"
    return f"{number} {noun}{ending}"
