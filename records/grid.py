"""What a board is to hold, as its track says; handed over by the command line, as boards know no tracks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A trial that the track asks for.

    Attributes
    ----------
    row : str
        Row name, made of the next five.
    """

    row: str
    arch: str
    pruner: str
    timing: str | None
    sparsity: str
    control: str | None
    size: str
    train_on: str
    acceleration: int
    seed: int

    @property
    def conditions(self) -> str:
        """Settings of the row that are not the pruner's, as `Record.conditions`."""
        return conditions_of_name(self.row)

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What it has in common with its record."""
        return self.row, self.size, self.train_on, self.acceleration, self.seed


@dataclass(frozen=True)
class Question:
    """A confirmatory contrast a − b on a split, under a shift, of networks trained so."""

    a: str
    b: str
    split: str
    shift: str
    metric: str
    train_on: str
    acceleration: int


@dataclass(frozen=True)
class Outline:
    """The grid and the confirmatory contrasts of a track."""

    track: str
    cells: tuple[Cell, ...]
    contrasts: tuple[Question, ...]


def conditions_of_name(row: str) -> str:
    """Settings in a row name that are not the pruner's, as `Record.conditions`."""
    settings = [text for text in row.partition("@")[2].split(",") if text and not text.startswith("pruner.")]
    return f"@{','.join(settings)}" if settings else ""
