"""What a board is to hold, as its track says; handed over by the command line, as boards know no tracks."""

from dataclasses import dataclass

from records.setting import CellKey


@dataclass(frozen=True)
class Contrast:
    """A confirmatory comparison a − b, fixed before anything is run.

    Attributes
    ----------
    a, b : str
        Row names.
    split : str
    shift : str
        ``none`` for the condition of the training.
    metric : str
    train_on : str
        Both rows are trained on this set,
    acceleration : int
        and at this acceleration.
    """

    a: str
    b: str
    split: str
    shift: str = "none"
    metric: str = "psnr"
    train_on: str = "knee"
    acceleration: int = 4


@dataclass(frozen=True)
class Outline:
    """The grid and the confirmatory contrasts of a track."""

    track: str
    cells: tuple[CellKey, ...]
    contrasts: tuple[Contrast, ...]
