"""The confirmatory contrasts of a track: answered, missing, or without a verdict for a reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from leaderboards.rows.compare import Comparison, compare
from leaderboards.rows.rows import METRIC, Condition, Row, conditions_of, row_of
from leaderboards.rows.soundness import behind_cg_sense, mostly_unsound, outcomes, unsound, verdicts_of
from records.grid import Question, conditions_of_name
from records.record import Record
from registries import RequestError

OTHER = {"knee": "brain", "brain": "knee"}


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


def outside_of(train_on: str) -> str | None:
    """The split out of distribution: the other anatomy; a network trained on both has none."""
    return None if "+" in train_on else OTHER[train_on.split("-")[0]]


def answer(questions: Sequence[Question], records: Sequence[Record], track: str) -> Contrasts:
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
        own = _of_one_setting(question, records)
        rows = [row for name in (question.a, question.b) if (row := _sound(own, name, track)) is not None]
        evaluated = all(condition in conditions_of(row, METRIC) for row in rows)
        verdicts = {row: verdicts_of(own, row) for row in (question.a, question.b)}
        dense = _sound(own, f"{question.a.split('/')[0]}/dense{conditions_of_name(question.a)}", track)
        outside = question.split == outside_of(question.train_on)
        failing = [f"too many seeds of {row} are left out" for row, seeds in verdicts.items() if mostly_unsound(seeds)]
        if outside and dense and (behind := behind_cg_sense(dense, question.split)):
            failing.append(behind)
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


def _of_one_setting(question: Question, records: Iterable[Record]) -> list[Record]:
    """Finished records of its condition: of the size and kind of device where its rows have most common seeds."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        asked = question.train_on, question.acceleration
        if record.ok and (record.trial["train_on"], record.trial["acceleration"]) == asked:
            device = record.content["provenance"]["numerics"]["device"]
            groups.setdefault((record.trial["size"], device), []).append(record)

    def common_seeds(own: list[Record]) -> tuple[int, int]:
        seeds = verdicts_of(own, question.a).keys() & verdicts_of(own, question.b).keys()
        return len(seeds), len(own)

    return max(groups.values(), key=common_seeds, default=[])


def _sound(records: Iterable[Record], name: str, where: str) -> Row | None:
    own = [record for record in records if record.row == name and not unsound(record)]
    return row_of(own, name, where) if own else None
