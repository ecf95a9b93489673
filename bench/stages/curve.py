"""What an optimisation records on its way: rows of steps, and when it is validated."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from bench.stages.workspace import Workspace
from bench.store.curve import COLUMNS, MEANS, Curve, Point

MOST_ROWS = 2000
"""Of a curve, besides those of validation; in longer stages each stands for a window of steps."""
POINTS = 20
"""Of validation in a stage, where the time allows."""
SHARE = 0.05
"""Of a training's multiply–accumulates that its validation may take."""
KEY = "curve"
"""Of the rows among the tensors of a checkpoint."""


def validation_points(workspace: Workspace, steps: tuple[int, int], gate: int | None = None) -> frozenset[int]:
    """Steps after which a stage is validated: spread evenly, the last one and the gate among them.

    About 20; fewer where they would take more than 5 % of what the training does, at least two.

    Parameters
    ----------
    workspace : Workspace
        Without validation patients there are no points.
    steps : tuple of int
        The first step of the stage, and the one after its last.
    gate : int, optional
        A step that has to be among them.
    """
    if workspace.validation is None:
        return frozenset()
    start, stop = steps
    fixed = frozenset[int]() if gate is None else frozenset({gate})
    affordable = int(SHARE * (stop - start) * workspace.step_macs / max(1, workspace.validation_macs))
    number = min(POINTS, stop - start, max(affordable, 2 - len(fixed)))
    return fixed | {start + (stop - start) * place // number - 1 for place in range(1, number + 1)}


class Recorder:
    """Rows of a stage, gathered step by step; values may come late, but those of a column in the order of steps.

    A row stands for the steps since the row before: loss and gradient norm are means over them, everything else is that
    of the last one.

    Parameters
    ----------
    steps : tuple of int
        The first step of the stage, and the one after its last.
    points : frozenset of int
        Steps after which it is validated.

    Attributes
    ----------
    points : frozenset of int
    """

    def __init__(self, steps: tuple[int, int], points: frozenset[int]) -> None:
        self.points = points
        self._start, self._stop = steps
        self._window = math.ceil((self._stop - self._start) / MOST_ROWS)
        self._rows: list[Point] = []
        self._open: dict[int, dict[str, float]] = {}

    def ends(self, step: int) -> bool:
        """Whether a row ends with this step."""
        last = step + 1 == self._stop
        return last or step in self.points or (step + 1 - self._start) % self._window == 0

    def take(self, column: str, step: int, value: float) -> None:
        """A value of a step."""
        self._open.setdefault(step, {})[column] = value

    def close(self) -> None:
        """Make rows of all steps whose values are there."""
        needed = {*COLUMNS[1:6]}
        for end in [step for step in sorted(self._open) if self.ends(step) and self._open[step].keys() >= needed]:
            window = [self._open.pop(step) for step in sorted(self._open) if step <= end]
            means = {name: math.fsum(row[name] for row in window) / len(window) for name in MEANS}
            self._rows.append(Point(step=end, **{**window[-1], **means}))

    @property
    def curve(self) -> Curve:
        """The rows so far."""
        self.close()
        return tuple(self._rows)

    def tensors(self) -> dict[str, Tensor]:
        """All rows, and the steps of the one that is not finished yet, for a checkpoint."""
        rows = [[math.nan if value is None else value for value in point] for point in self.curve]
        rows += [[step, *(row.get(name, math.nan) for name in COLUMNS[1:])] for step, row in sorted(self._open.items())]
        return {KEY: torch.tensor(rows, dtype=torch.float64).reshape(-1, len(COLUMNS))}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """As `tensors` gave them; checkpoints of earlier versions have none, and the curve begins where they end."""
        for step, *values in tensors[KEY].tolist() if KEY in tensors else ():
            if self.ends(int(step)):
                self._rows.append(Point(int(step), *values[:5], *(None if math.isnan(v) else v for v in values[5:])))
            else:
                row = dict(zip(COLUMNS[1:], values, strict=True))
                self._open[int(step)] = {name: row[name] for name in MEANS}
