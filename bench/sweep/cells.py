"""The cells of a sweep: what can be carried out, and what is skipped for a reason."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine.provenance import provenance
from bench.sweep.grid import row_of
from bench.tracks.track import Track
from bench.trials.data import OpenData
from bench.trials.plan import PlannedTrial, choose_device, plan
from bench.trials.request import Request
from records.provenance import Data
from records.record import Record
from records.setting import CellKey
from records.trial import Trial
from registries import RequestError
from registries.hashing import content_key


@dataclass(frozen=True)
class Cell:
    """A trial of a sweep.

    Attributes
    ----------
    request : Request
    planned : PlannedTrial or None
        None if it is skipped.
    reason : str or None
        Why it is skipped.
    """

    request: Request
    planned: PlannedTrial | None = None
    reason: str | None = None

    @property
    def name(self) -> str:
        """The row and the seed, for people."""
        return f"{row_of(self.request)} seed {self.request.seed}"

    @property
    def key(self) -> CellKey:
        """As a grid knows it."""
        asked = self.request
        return CellKey(row_of(asked), str(asked.size), asked.train_on, asked.acceleration, asked.seed)

    @property
    def folder(self) -> Path:
        """Where its record lies."""
        if self.planned:
            return self.planned.folder
        request = self.request
        values = [Path(str(request.track)).stem, request.train_on, request.acceleration, request.protocol]
        name = f"{row_of(request).replace('/', '-')}_{request.size}_seed{request.seed}"
        return Path(request.out) / f"{name}_skipped-{content_key(values)[:8]}"


def plan_cells(requests: Iterable[Request], data: OpenData | None = None) -> list[Cell]:
    """Plan every request; one that cannot be carried out is skipped with its reason.

    Parameters
    ----------
    requests : iterable of Request
    data : OpenData, optional
        Of all of them; otherwise each one opens its own.

    Raises
    ------
    RequestError
        If none can be carried out: then it is the sweep that is wrong, not its cells.
    """
    cells: list[Cell] = []
    errors: list[RequestError] = []
    for request in requests:
        try:
            cells.append(Cell(request, plan(request, data)))
        except RequestError as error:
            errors.append(error)
            cells.append(Cell(request, reason=str(error)))
    if errors and len(errors) == len(cells):
        raise errors[0]
    return cells


def planned_of(cells: Sequence[Cell]) -> Iterator[PlannedTrial]:
    """The trials that can be carried out."""
    return (cell.planned for cell in cells if cell.planned)


def skipped_record(cell: Cell, track: Track) -> Record:
    """The record of a cell that does not exist, so that a board shows why instead of a hole."""
    request = cell.request
    trial = Trial.made_of(
        arch=request.arch,
        size=str(request.size),
        pruner=request.pruner,
        timing=request.timing,
        sparsity=request.sparsity or "0",
        train_on=request.train_on,
        acceleration=request.acceleration,
        seed=request.seed,
        protocol=request.protocol or track.protocol,
        control=request.control,
        settings={name: value for name, _, value in (text.partition("=") for text in request.settings)},
    )
    device = choose_device(request.device)
    source = provenance(device=device, numerics={"device": device.type}, data=Data(), seed=request.seed, entries=())
    content = {**trial.to_json(), "resolved": {"track": track.name}}
    return Record.without_results(content, [], source, "skipped", str(cell.reason))
