"""Carrying out a planned trial: recipe, baselines, evaluation, record and pictures."""

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import safetensors.torch
from tqdm import tqdm

from bench.evaluation import baselines, pictures
from bench.evaluation.scoring import (
    Metrics,
    Reconstruct,
    load_test_volume,
    score,
    split_samples,
    summarise,
)
from bench.evaluation.shifts import shifted_scores
from bench.machine import signals
from bench.machine.macs import forward_macs, median_latency_ms
from bench.machine.memory import forget_peak, peak_memory_mb
from bench.machine.numerics import set_numerics
from bench.networks.reconstruct import reconstruct
from bench.stages.carry_out import Outcome, run_recipe
from bench.stages.loop import DivergedError
from bench.store.full_disk import raise_if_of_storage
from bench.store.state import State
from bench.store.store import Store
from bench.trials.plan import PlannedTrial
from bench.trials.results import (
    bills,
    convergence,
    empty_record,
    layers_of,
    mask_summary,
    relative_cost,
    volume_scores,
)
from datasets.volumes import Volume
from pruners.granularity import granularity_of
from records.record import FILE, Record, Results
from records.results import Cost, Layer, Macs
from registries import RequestError
from registries.files import replacing

Say = Callable[[str], None]
EXAMPLES = "examples.safetensors"


def run(planned: PlannedTrial, fresh: bool, say: Say, log: Say = lambda text: None) -> Record:
    """Carry out a trial and write its outputs; a trial that fails leaves a record with its reason.

    Parameters
    ----------
    planned : PlannedTrial
    fresh : bool
        Compute everything anew, whatever the store holds.
    say : callable
        Told what happens, one line each.
    log : callable
        Told where a failure happened, in full.
    """
    begun = empty_record(planned)  # whatever is wrong with the request shows before any work is done
    store = Store(planned.store)
    set_numerics(planned.resolved.track.threads)
    forget_peak(planned.workspace.device)
    try:
        outcome = run_recipe(planned.resolved.stages, planned.workspace, planned.context, store, fresh, say)
        _check_count(planned, outcome)
        results = _evaluated(planned, outcome, store, fresh)
    except RequestError:
        raise
    except Exception as error:  # whatever goes wrong inside a trial keeps its row, with the reason
        raise_if_of_storage(error)
        reason = str(error) if isinstance(error, DivergedError) else f"{type(error).__name__}: {error}"
        log(traceback.format_exc())
        return fail(planned, reason)
    record = begun.finished(results)
    record.write(planned.folder / FILE)
    return record


def fail(planned: PlannedTrial, reason: str) -> Record:
    """Write the record of a trial that failed: it keeps its row, with the reason in one line."""
    record = empty_record(planned).failed(" ".join(reason.split()))
    record.write(planned.folder / FILE)
    return record


def answer_from_store(planned: PlannedTrial) -> Record | None:
    """The record of the same trial, if it was carried out before."""
    path = planned.folder / FILE
    if not path.exists():
        return None
    record = Record.read(path)
    return record if record.ok else None


def _check_count(planned: PlannedTrial, outcome: Outcome) -> None:
    resolved = planned.resolved
    fault = granularity_of(resolved.entry).fault(
        outcome.state.mask, planned.workspace.channels, resolved.trial.sparsity
    )
    if fault:
        raise ArithmeticError(f"the recipe keeps {fault}")


def _evaluated(planned: PlannedTrial, outcome: Outcome, store: Store, fresh: bool) -> Results:
    """Score the final network, write weights, mask and pictures, and give the record's results."""
    model = planned.workspace.model(outcome.state)
    model.load_state_dict(outcome.state.masked_weights())
    network = partial(reconstruct, model.eval())
    found_baselines = _baselines(planned, store, fresh)
    scores = score({"network": network}, planned.test, partial(_bar, "evaluating"))["network"]
    shifted = shifted_scores(network, planned.data.shifts, scores, partial(_bar, "evaluating shifts"))
    shifts: dict[str, dict[str, Metrics]] = {}
    for shift in planned.data.shifts:
        for split, values in summarise(shifted[shift.name], shift.test.splits).items():
            shifts.setdefault(split, {})[shift.name] = values
    layers = layers_of(planned, outcome)
    _write_outputs(planned, outcome, network, layers)
    first = load_test_volume(planned.test.volumes[0], planned.test).samples
    sample = split_samples(first, 1)[0].to(planned.workspace.device)
    cost = Cost(
        stages=bills(outcome),
        relative=relative_cost(planned, outcome),
        macs=Macs(**forward_macs(model, outcome.state.mask, (sample.kspace, sample.mask, sample.maps))),
        latency_ms=median_latency_ms(lambda: network(sample), planned.workspace.device),
        peak_memory_mb=peak_memory_mb(planned.workspace.device),
    )
    of_shifts = (volume_scores(shift.name, shift.test, shifted[shift.name]) for shift in planned.data.shifts)
    return Results(
        mask=mask_summary(planned, outcome, layers),
        cost=cost,
        convergence=convergence(outcome),
        metrics=summarise(scores, planned.test.splits),
        baselines=found_baselines,
        shifts=shifts,
        volumes=(*volume_scores(None, planned.test, scores), *(row for rows in of_shifts for row in rows)),
    )


def _write_outputs(planned: PlannedTrial, outcome: Outcome, network: Reconstruct, layers: Sequence[Layer]) -> None:
    """Weights, mask and pictures, beside the record."""
    folder, row = planned.folder, planned.resolved.trial.row
    with replacing(folder / "mask.safetensors") as path:
        safetensors.torch.save_file(dict(outcome.state.mask), path)
    with replacing(folder / "weights.safetensors") as path:
        safetensors.torch.save_file(outcome.state.masked_weights(), path)
    pictures.layers(folder / "layers.png", layers, row)
    examples = pictures.examples(network, planned.test)
    pictures.write_examples(folder / EXAMPLES, examples)
    pictures.reconstructions(folder / "reconstructions.png", examples, row)
    pictures.findings(folder / "findings.png", network, planned.test, row)


def _baselines(planned: PlannedTrial, store: Store, fresh: bool) -> dict[str, dict[str, Metrics]]:
    """Baselines by name and split: those of the data alone, and the empty network of the architecture."""
    device = planned.workspace.device
    of_data = {
        "baselines": baselines.VERSION,
        "evaluation": planned.evaluation_inputs,
        "training data": planned.context.data,
        "train_on": planned.context.train_on,
    }
    of_network = {
        **of_data,
        "architecture": asdict(planned.context.architecture),
        "size": planned.context.size,
        "width": planned.context.width,
        **({"variant": planned.context.variant} if planned.context.variant else {}),
        "precision": planned.context.training["precision"],
    }

    def score_data() -> dict[str, Any]:
        tuned = baselines.tune_cg_sense(planned.data.training.training, planned.test.preparation, device)
        methods: dict[str, Reconstruct] = {"zero_filled": baselines.zero_filled_image, "cg_sense": tuned}
        found = score(methods, planned.test, partial(_bar, "baselines"), {"oracle": baselines.oracle_image})
        return {"scores": found, "tuning": {"lambda": tuned.weight, "iterations": tuned.iterations}}

    def score_empty() -> dict[str, Any]:
        model = planned.workspace.model(State.of(planned.workspace.initial_model()))
        return score({"empty": baselines.empty_network(model)}, planned.test, partial(_bar, "empty network"))

    data = _stored(store, of_data, score_data, fresh)
    scores = {**data["scores"], **_stored(store, of_network, score_empty, fresh)}
    found = {name: summarise(part, planned.test.splits) for name, part in scores.items()}
    for split in found["cg_sense"].values():
        split |= data["tuning"]
    return found


def _stored(store: Store, inputs: dict[str, Any], compute: Callable[[], dict[str, Any]], fresh: bool) -> dict[str, Any]:
    """What was computed before from the same inputs, else what is computed now."""
    known = None if fresh else store.load_value(inputs)
    if known is None:
        known = compute()
        store.save_value(inputs, known)
    return dict(known)


def _bar(what: str, volumes: Sequence[Volume]) -> Iterable[Volume]:
    for volume in tqdm(volumes, desc=what, unit="volume", leave=False):
        signals.check()
        yield volume
