"""Calling a registered score."""

from pruners.entries import pruners
from pruners.problem import Problem, Scores
from pruners.stages import Values


def scores_by(name: str, problem: Problem, options: Values) -> Scores:
    """Scores of a registered pruner, on the CPU.

    Raises
    ------
    ValueError
        If the pruner gives no scores.
    ArithmeticError
        If a pruner that uses data scores every weight zero.
    """
    entry = pruners.get(name)
    if entry.score is None:
        raise ValueError(f"pruner '{name}' gives no scores")
    scores = {weight: score.detach().cpu() for weight, score in entry.score(problem, **dict(options)).items()}
    if entry.uses_data and all(bool((score == 0).all()) for score in scores.values()):
        raise ArithmeticError(f"pruner '{name}' scores every weight zero: there is nothing to choose by")
    return scores
