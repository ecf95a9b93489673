"""Running a recorded trial again, or scoring its weights again, and saying whether the same comes out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import safetensors.torch
from scipy.stats import t

from architectures import Architecture
from bench.check.fields import DECIBELS, ESTIMATED, SHARE, differing_fields
from bench.networks.reconstruct import reconstruct
from bench.networks.trained import variant_of
from bench.store.store import Store
from bench.trials.budget import Estimate
from bench.trials.plan import PlannedTrial, plan
from bench.trials.request import INIT, Request
from bench.trials.results import empty_record, mask_counts
from bench.trials.run import Evaluated, evaluate, network_macs, run
from pruners import Mask
from records.record import Record, present
from records.results import SplitScores, StageBill
from records.row_name import setting_text
from records.setting import apart_in_row, trial_key
from registries import RequestError

MASK = "mask.safetensors"
SAME, WITHIN, DIFFERENT, UNKNOWN = "same", "within tolerance", "different", "cannot tell"
MAY_DIFFER = ("numerics", "dirty", "sources")
"""Of the provenance: whether the same comes out all the same is what is asked."""
BY_NUMERICS = (
    *("volumes, ", "metrics.", "shifts.", "convergence.", "cost.macs.kept"),
    *("mask.layers", "mask.search", "mask.overlap", "mask.disconnected", "mask.channels", "mask.sha256"),
)
"""Fields that rounding may change; all others are the same on any machine."""
RANKED = ", psnr"
"""What boards rank by."""
FEWEST_SEEDS = 3
"""To say where one more seed of a row would lie."""


@dataclass(frozen=True)
class Verdict:
    """What came of it.

    Attributes
    ----------
    word : str
        `SAME`, `WITHIN`, `DIFFERENT` or `UNKNOWN`.
    lines : tuple of str
        The figures behind it.
    """

    word: str
    lines: tuple[str, ...]


def request_of(
    record: Record, data: str | None, device: str, out: str, track: str | None = None, annotations: str | None = None
) -> Request:
    """The request that makes a recorded trial.

    Parameters
    ----------
    record : Record
    data, device, out, annotations
        As in `Request`.
    track : str, optional
        Where the track of the record lies, if it is none of the built-in ones.

    Raises
    ------
    RequestError
        If the record says nothing of how it was made, or was made with weights from a file.
    """
    trial = record.trial
    resolved = trial.resolved
    if not record.ok:
        raise RequestError(f"row {record.row}: its trial is {record.status}: there is nothing to verify")
    if "dense_weights" in trial.options:
        raise RequestError(f"row {record.row}: began with weights from a file, which the record does not hold")
    return Request(
        arch=trial.arch,
        pruner=trial.pruner,
        timing=trial.timing,
        sparsity=trial.sparsity if trial.timing else None,
        size=trial.size,
        track=track or resolved.track,
        data=data,
        annotations=annotations,
        train_on=trial.train_on,
        acceleration=trial.acceleration,
        seed=trial.seed,
        protocol=trial.protocol,
        control=trial.control,
        settings=tuple(_settings(record)),
        shifts=present(resolved.evaluation).shifts,
        device=device,
        out=out,
    )


def _settings(record: Record) -> Iterator[str]:
    """Every setting of a record, as ``--set`` takes it."""
    trial, resolved = record.trial, record.trial.resolved
    training = {**resolved.training, "steps": resolved.budget}
    if trial.control == "wd" and "train.weight_decay" not in trial.settings:
        del training["weight_decay"]  # what the control sets, and nobody else
    variant = variant_of(record)
    sections: dict[str, Mapping[str, Any]] = {
        "pruner": trial.options,
        "train": training,
        "maps": {"kind": present(resolved.preparation).maps.kind},
        "arch": dict(variant.options),
    }
    for section, values in sections.items():
        yield from (f"{section}.{name}={setting_text(value)}" for name, value in values.items())
    if variant.init:
        yield f"{INIT}={variant.init}"


def plan_again(record: Record, request: Request) -> PlannedTrial:
    """Plan the trial of a record.

    Raises
    ------
    RequestError
        If this suite, or these data, make another trial of it.
    """
    planned = plan(request)
    again = empty_record(planned)
    given = {name: getattr(record.provenance, name) for name in MAY_DIFFER}
    again = again.model_copy(update={"provenance": again.provenance.model_copy(update=given)})
    if again.row != record.row:
        raise RequestError(f"row {record.row}: by its settings this is {again.row}; the record was edited")
    if trial_key(again) != trial_key(record):
        changed = ", ".join(apart_in_row(record, again)) or "threads"
        raise RequestError(
            f"row {record.row}: this is another trial than that of the record ({changed}); "
            f"check out commit {str(record.provenance.git)[:12]}, or name its data by --data"
        )
    return planned


def verify_weights(record: Record, planned: PlannedTrial, weights: Path) -> Verdict:
    """Score stored weights again; the mask beside them has to be that of the record, and its pruned weights zero.

    Raises
    ------
    RequestError
        If they cannot be read, or are of another network.
    """
    model = planned.workspace.initial_model()
    try:
        stored = safetensors.torch.load_file(weights)
        mask = Mask(safetensors.torch.load_file(weights.with_name(MASK)))
        model.load_state_dict(stored)
    except Exception as error:  # both libraries raise whatever they meet
        raise RequestError(
            f"{weights}: do not hold weights and mask of {record.row} ({type(error).__name__})"
        ) from None
    pruned = all(bool((stored[name][~kept] == 0).all()) for name, kept in mask.items())
    if mask.sha256 != present(record.mask).sha256 or not pruned:
        return Verdict(DIFFERENT, ("the stored weights are under another mask than that of the record",))
    model.to(planned.workspace.device).eval()
    again = _scored_again(record, planned, model, mask)
    different = list(differing_fields(record, again, ESTIMATED))
    about = "stored weights, scored again; the search for the mask is checked by --rerun alone"
    return Verdict(DIFFERENT if different else SAME, (about, *_lines(record, again), *_first(different)))


def _scored_again(record: Record, planned: PlannedTrial, model: Architecture, mask: Mask) -> Record:
    """The record as it follows from the weights, the mask, the data and the recipe."""
    scores = evaluate(planned, partial(reconstruct, model), Store(planned.store), fresh=True)
    expected = [planned.estimator.estimate(stage) for stage in planned.resolved.stages]
    dense, cost = planned.workspace.step_macs, present(record.cost)
    if len(expected) != len(cost.stages):
        raise RequestError(f"row {record.row}: the record has {len(cost.stages)} stages, the recipe {len(expected)}")
    stages = tuple(
        bill.model_copy(update={"name": _named(bill, one), "steps": one.steps, "macs": round(one.relative * dense)})
        for bill, one in zip(cost.stages, expected, strict=True)
    )
    relative = sum(one.relative for one in expected) / planned.resolved.budget
    macs = network_macs(planned, model, mask)
    fitted = planned.workspace.fit(model) if record.convergence else {}
    return record.model_copy(
        update={
            "recipe": empty_record(planned).recipe,
            "mask": present(record.mask).model_copy(update=mask_counts(planned, mask)),
            "cost": cost.model_copy(update={"stages": stages, "relative": relative, "macs": macs}),
            "convergence": record.convergence.model_copy(update=fitted) if record.convergence else None,
            **_typed(scores),
        }
    )


def _named(bill: StageBill, expected: Estimate) -> str:
    """The stage in words; of early stopping the record alone says which step was chosen."""
    name = str(expected.stage)
    return bill.name if bill.name.startswith(f"{name}: step ") else name


def _typed(scores: Evaluated) -> dict[str, Any]:
    def by_split(values: Mapping[str, Any]) -> dict[str, SplitScores]:
        return {split: SplitScores.model_validate(one) for split, one in values.items()}

    nested = {
        name: {key: by_split(one) for key, one in getattr(scores, name).items()} for name in ("baselines", "shifts")
    }
    return {"metrics": by_split(scores.metrics), "volumes": scores.volumes, **nested}


def verify_run(record: Record, planned: PlannedTrial, seeds: Sequence[Record]) -> Verdict:
    """Carry the trial out again, from its seed.

    The same numerics (device, threads, torch) have to give the same mask and the same figures; others have to lie
    where a further seed of the row would be expected.

    Parameters
    ----------
    record : Record
    planned : PlannedTrial
    seeds : sequence of Record
        All trials of the row; this one is left out.
    """
    others = [one for one in seeds if one.seed != record.seed]
    again = run(planned, True, lambda line: None)  # nothing that was computed before may answer
    if not again.ok:
        return Verdict(DIFFERENT, (f"run again: {again.status}: {again.reason}",))
    different = list(differing_fields(record, again))
    equal_numerics = record.provenance.numerics == again.provenance.numerics
    equal_masks = present(record.mask).sha256 == present(again.mask).sha256
    lines = [
        f"numerics: {'the same' if equal_numerics else 'others'}; mask: {'the same' if equal_masks else 'another'}",
        *_lines(record, again),
        *_first(different),
    ]
    if not different:
        return Verdict(SAME, tuple(lines))
    if equal_numerics:
        return Verdict(DIFFERENT, tuple(lines))
    if exact := [words for words in different if not words.startswith(BY_NUMERICS)]:
        return Verdict(DIFFERENT, (*lines, f"whatever the numerics are: {exact[0]}"))
    if len(others) < FEWEST_SEEDS:
        needed = f"on other numerics it takes {FEWEST_SEEDS} further seeds of the row to compare with"
        return Verdict(UNKNOWN, (*lines, needed))
    for what, one in (("run again, it", again), ("the record", record)):
        if outside := _outside_of_seeds(one, others):
            return Verdict(DIFFERENT, (*lines, f"{what} lies outside the interval of the row's other seeds: {outside}"))
    return Verdict(WITHIN, (*lines, "both lie inside the interval of the row's other seeds"))


def _outside_of_seeds(one: Record, others: Sequence[Record]) -> str | None:
    """The first figure outside its interval for one more seed: 95 % for PSNR, 95 % for all others together."""
    found, known = _figures(one), [_figures(other) for other in others]
    shared = [name for name in found if all(name in figures for figures in known)]
    number = len(known)
    for name in shared:
        figures_alike = 1 if name.endswith(RANKED) and "·" not in name else len(shared)  # Bonferroni
        quantile = float(t.ppf(1 - 0.025 / figures_alike, number - 1))
        values = [figures[name] for figures in known]
        half = quantile * stdev(values) * (1 + 1 / number) ** 0.5
        least = DECIBELS if "psnr" in name else SHARE * abs(fmean(values))
        if abs(found[name] - fmean(values)) > max(half, least):
            return name
    return None


def _figures(record: Record) -> dict[str, float]:
    """Every mean of a record by split, shift and metric."""
    conditions = dict(record.metrics)
    for split, by_shift in record.shifts.items():
        conditions |= {f"{split} · {shift}": scores for shift, scores in by_shift.items()}
    return {
        f"{condition}, {metric}": float(value)
        for condition, scores in conditions.items()
        for metric, value in scores.metrics.items()
        if value is not None
    }


def _lines(before: Record, after: Record) -> Iterator[str]:
    for split, scores in before.metrics.items():
        if split in after.metrics:
            yield f"{split}: PSNR differs by {after.metrics[split]['psnr'] - scores['psnr']:+.4f} dB"


def _first(different: Sequence[str]) -> Iterator[str]:
    """The first field that differs, and how many more do."""
    if different:
        more = f", and {len(different) - 1} more fields" if len(different) > 1 else ""
        yield f"differs in {different[0]}{more}"
