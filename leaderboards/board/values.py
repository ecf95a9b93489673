"""A board by value: what is shown, and nothing of how it is found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from leaderboards.rows.compare import Comparison
from leaderboards.rows.lengths import UNDER_TRAINED, Length
from leaderboards.rows.rows import Condition, Row
from leaderboards.statistics import Estimate
from records.results import MaskSummary
from records.row_name import RowName
from records.setting import Setting
from records.speed import Speed

OTHER = {"knee": "brain", "brain": "knee"}


def inside_of(setting: Setting) -> Condition:
    """In distribution: the anatomy of the training."""
    return Condition(setting.train_on.split("-")[0].split("+")[0])


def outside_of(train_on: str) -> Condition | None:
    """Out of distribution: the other anatomy; a network trained on both has none."""
    return None if "+" in train_on else Condition(OTHER[train_on.split("-")[0]])


@dataclass(frozen=True)
class LineCost:
    """Costs of a row: of its first seed, means over seeds where they differ.

    Attributes
    ----------
    relative : float
        Dense trainings of T steps.
    macs, kept_macs : int
        Of a forward pass: executed, and those of kept weights.
    latency_ms : float
    """

    relative: float
    macs: int
    kept_macs: int
    latency_ms: float


@dataclass(frozen=True)
class Line:
    """A row of a table.

    Attributes
    ----------
    name : RowName
    seeds : tuple of int
        Finished.
    scores, changes : mapping of Condition to Estimate
        Absolute over its seeds, and paired against dense over common ones.
    rank_inside, rank_outside : int or None
        Within the architecture.
    robustness : float or None
        Effective robustness, dB.
    mask : MaskSummary or None
        Of the first seed; None without finished ones.
    cost : LineCost or None
    notes : tuple of str
        Failed seeds, failed searches, why there is nothing.
    """

    name: RowName
    seeds: tuple[int, ...]
    scores: Mapping[Condition, Estimate]
    changes: Mapping[Condition, Estimate]
    rank_inside: int | None
    rank_outside: int | None
    robustness: float | None
    mask: MaskSummary | None
    cost: LineCost | None
    notes: tuple[str, ...]

    @property
    def arch(self) -> str:
        """Architecture."""
        return self.name.arch


@dataclass(frozen=True)
class Panel:
    """A table: all rows of one setting.

    Attributes
    ----------
    setting : Setting
    lines : tuple of Line
        By architecture, then rank inside.
    rows : mapping of RowName to Row
        The records behind the lines that have any.
    conditions : tuple of Condition
        Evaluated in any row.
    baselines : mapping of (architecture, baseline) to mapping of split to PSNR
        What a network has to beat, and the ceiling of its coil maps; not ranked.
    """

    setting: Setting
    lines: tuple[Line, ...]
    rows: Mapping[RowName, Row]
    conditions: tuple[Condition, ...]
    baselines: Mapping[tuple[str, str], Mapping[str, float]]

    def lines_of(self, arch: str) -> tuple[Line, ...]:
        """Those of an architecture."""
        return tuple(line for line in self.lines if line.arch == arch)

    @property
    def archs(self) -> tuple[str, ...]:
        """Architectures, in the order of the table."""
        return tuple(dict.fromkeys(line.arch for line in self.lines))

    @property
    def inside(self) -> Condition:
        """In distribution."""
        return inside_of(self.setting)

    @property
    def outside(self) -> Condition | None:
        """Out of distribution, where there is an outside."""
        return outside_of(self.setting.train_on)

    @property
    def both(self) -> tuple[Condition, ...]:
        """In and out of distribution."""
        return (self.inside,) if self.outside is None else (self.inside, self.outside)


@dataclass(frozen=True)
class Head:
    """What a reader has to know first.

    Attributes
    ----------
    track, kind, protocol : str
        ``kind`` is ``simulated`` or ``real``.
    finished, failed, skipped, expected : int
        Trials of the track's grid.
    budgets : mapping of str to int
        T of each architecture in the main table.
    lengths : tuple of Length
        Dense networks of the main table, at all lengths of training.
    date, commit : str
        Of the newest record.
    dirty : bool
        Whether any record comes from changed code.
    devices : tuple of str
    torch : tuple of str
        Versions.
    """

    track: str
    kind: str
    protocol: str
    finished: int
    failed: int
    skipped: int
    expected: int
    budgets: Mapping[str, int]
    lengths: tuple[Length, ...]
    date: str
    commit: str
    dirty: bool
    devices: tuple[str, ...]
    torch: tuple[str, ...]

    @property
    def steps(self) -> str:
        """T in the main table, by architecture where it differs."""
        if len(set(self.budgets.values())) == 1:
            return str(next(iter(self.budgets.values())))
        return ", ".join(f"{steps} ({arch})" for arch, steps in sorted(self.budgets.items()))


@dataclass(frozen=True)
class Board:
    """Everything that is shown.

    Attributes
    ----------
    head : Head
    panels : tuple of Panel
        The one with the most rows first.
    contrasts : tuple of Comparison
        The confirmatory ones whose rows are there.
    missing : tuple of str
        Confirmatory contrasts whose rows are not.
    withdrawn : tuple of str
        Confirmatory contrasts of which no verdict is given, each with its reason.
    speeds : tuple of Speed
        Measured of trained networks of these rows.
    """

    head: Head
    panels: tuple[Panel, ...]
    contrasts: tuple[Comparison, ...]
    missing: tuple[str, ...]
    withdrawn: tuple[str, ...] = ()
    speeds: tuple[Speed, ...] = ()

    def speeds_of(self, line: Line, panel: Panel) -> tuple[Speed, ...]:
        """What was measured of a row: of its first seed that was, on each device, GPUs first."""
        own = [s for s in self.speeds if s.cell.row == line.name and panel.setting.holds(s.cell)]
        ordered = sorted(own, key=lambda speed: (speed.kind == "cpu", speed.device, speed.cell.seed))
        return tuple({speed.device: speed for speed in reversed(ordered)}.values())[::-1]

    @property
    def family(self) -> int:
        """Number of contrasts that are corrected together."""
        return len(self.contrasts) + len(self.missing) + len(self.withdrawn)


def states(head: Head) -> dict[str, str]:
    """By architecture, how well dense networks are trained at the length of the main table; none without validation."""
    return {one.arch: one.state for one in head.lengths if one.steps == head.budgets.get(one.arch)}


def under_trained(head: Head) -> tuple[str, ...]:
    """Architectures whose dense networks gain 0.1 dB or more from twice the steps."""
    return tuple(arch for arch, state in states(head).items() if state == UNDER_TRAINED)


def usual(conditions: Iterable[Condition]) -> list[Condition]:
    """Splits without shift, and without the parts of a split."""
    return [condition for condition in conditions if condition.is_whole_split]
