"""The confirmatory contrasts of a track: answered, missing, or without a verdict for a reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from leaderboards.board.values import outside_of
from leaderboards.rows.compare import Comparison, compare
from leaderboards.rows.rows import METRIC, Condition, Row, conditions_of, row_of
from leaderboards.rows.soundness import behind_cg_sense, mostly_unsound, outcomes, unsound, verdicts_of
from records.grid import Contrast
from records.record import Record
from records.row_name import RowName
from records.setting import Setting, apart_in_pair
from registries import RequestError


@dataclass(frozen=True)
class Contrasts:
    """What became of the contrasts of a track.

    Attributes
    ----------
    found : tuple of Comparison
        Those whose rows are there.
    missing : tuple of str
        Those whose rows are not.
    withdrawn : tuple of str
        Those that get no verdict, each with its reason.
    notes : tuple of str
        How many seeds are left out of the rows of those found, and why.
    """

    found: tuple[Comparison, ...]
    missing: tuple[str, ...]
    withdrawn: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def family(self) -> int:
        """Number of contrasts that are corrected together."""
        return len(self.found) + len(self.missing) + len(self.withdrawn)


def answer(questions: Sequence[Contrast], records: Sequence[Record], track: str) -> Contrasts:
    """Take each contrast from the rows that it names, of its training set and acceleration.

    Raises
    ------
    RequestError
        If a contrast is not in PSNR, or a row stands there in several settings.
    """
    found: list[Comparison] = []
    missing: list[str] = []
    withdrawn: list[str] = []
    notes: dict[str, None] = {}
    for question in questions:
        if question.metric != METRIC:
            raise RequestError(f"track '{track}': a board shows contrasts in {METRIC}, not {question.metric}")
        condition = Condition(question.split, question.shift)
        name = f"{question.a} − {question.b}, {condition}"
        both = RowName.parse(question.a), RowName.parse(question.b)
        own = _of_one_setting(question, both, records)
        rows = [row for one in both if (row := _sound(own, one, track)) is not None]
        evaluated = all(condition in conditions_of(row, METRIC) for row in rows)
        verdicts = {row: verdicts_of(own, row) for row in both}
        dense = _sound(own, both[0].dense, track)
        outside = Condition(question.split) == outside_of(question.train_on)
        failing = [f"too many seeds of {row} are left out" for row, seeds in verdicts.items() if mostly_unsound(seeds)]
        if outside and dense and (behind := behind_cg_sense(dense, question.split)):
            failing.append(behind)
        if len(rows) == 2 and (apart := apart_in_pair(rows[0].first, rows[1].first)):
            failing.append(f"cannot be paired: {', '.join(apart)}")
        if failing:
            withdrawn.append(f"{name} ({failing[0]})")
        elif len(rows) == 2 and evaluated and (dense or not outside) and set(rows[0].seeds) & set(rows[1].seeds):
            (one,) = compare(rows[0], rows[1], METRIC, [condition])
            run, other = (set(seeds) for seeds in verdicts.values())
            unsound_seeds = len(run & other) - one.estimate.seeds
            found.append(replace(one, unsound_seeds=unsound_seeds, unpaired_seeds=len(run ^ other)))
            notes |= {f"{row}: {words}, left out": None for row in verdicts for words in outcomes(verdicts[row])}
        else:
            missing.append(name)
    return Contrasts(tuple(found), tuple(missing), tuple(withdrawn), tuple(notes))


def _of_one_setting(question: Contrast, both: tuple[RowName, RowName], records: Iterable[Record]) -> list[Record]:
    """Finished records of its condition: of the size and kind of device where its rows have most common seeds."""
    groups: dict[Setting, list[Record]] = {}
    for record in records:
        setting = Setting.of(record).plain
        if record.ok and (setting.train_on, setting.acceleration) == (question.train_on, question.acceleration):
            groups.setdefault(setting, []).append(record)

    def common_seeds(own: list[Record]) -> tuple[int, int]:
        of_a, of_b = (verdicts_of(own, row) for row in both)
        return len(of_a.keys() & of_b.keys()), len(own)

    return max(groups.values(), key=common_seeds, default=[])


def _sound(records: Iterable[Record], name: RowName, where: str) -> Row | None:
    own = [record for record in records if record.row == name and not unsound(record)]
    return row_of(own, name, where) if own else None
