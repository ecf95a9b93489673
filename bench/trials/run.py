"""Carrying out a planned trial: recipe, baselines, evaluation, record and pictures."""

import gc
import traceback
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple

import safetensors.torch
import torch

from architectures import Architecture
from bench.evaluation import baselines as reference
from bench.evaluation import curves
from bench.evaluation.everything import bar, score_network
from bench.evaluation.scoring import (
    Metrics,
    Reconstruct,
    score,
    slices_of,
    summarise,
)
from bench.machine.faults import GpuMemoryError, raise_if_gpu_is_full, raise_if_of_machine
from bench.machine.macs import forward_macs, median_latency_ms
from bench.machine.memory import forget_peak, peak_memory_mb
from bench.machine.process import MeddlingError, kept_process, place_of
from bench.networks.reconstruct import reconstruct
from bench.networks.weights import FILE as WEIGHTS
from bench.networks.weights import WeightsDescription, write_weights
from bench.stages.carry_out import Outcome, run_recipe
from bench.stages.loop import DivergedError
from bench.store.once import stored
from bench.store.state import State
from bench.store.store import Store
from bench.trials.pictures import draw, tuned_cg_sense
from bench.trials.plan import PlannedTrial
from bench.trials.results import (
    bills,
    convergence,
    empty_record,
    mask_summary,
    relative_cost,
)
from datasets.samples import Samples
from pruners import Mask
from pruners.granularity import granularity_of
from records.record import FILE, Record, Results
from records.results import Cost, Macs, VolumeScores
from records.setting import trial_key
from registries import RequestError
from registries.files import replacing

Say = Callable[[str], None]


def run(planned: PlannedTrial, fresh: bool, say: Say, log: Say = lambda text: None) -> Record:
    """Carry out a trial and write its outputs; a trial that fails leaves a record with its reason.

    What does not fit on the GPU is tried again with recomputation before it has failed.

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
    try:
        return attempt(planned, fresh, say, log)
    except GpuMemoryError as error:
        say(f"{error}; once more, with recomputation")
    gc.collect()  # what the failed attempt held
    torch.cuda.empty_cache()
    try:
        return attempt(planned.recomputing(), fresh, say, log)
    except GpuMemoryError as error:
        return fail(planned, f"{error}; also with recomputation")


def attempt(planned: PlannedTrial, fresh: bool, say: Say, log: Say) -> Record:
    """As `run`, but once.

    Raises
    ------
    GpuMemoryError
        If it does not fit on the GPU; what was finished of it is kept, and nothing is recorded.
    """
    begun = empty_record(planned)  # whatever is wrong with the request shows before any work is done
    store = Store(planned.store, say)
    planned.set_numerics()
    forget_peak(planned.workspace.device)
    try:
        outcome = run_recipe(planned.resolved.stages, planned.workspace, planned.context, store, fresh, say)
        _check_count(planned, outcome)
        with kept_process("the evaluation"):
            results = _evaluated(planned, outcome, store, fresh)
    except RequestError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever goes wrong inside a trial keeps its row, with the reason
        raise_if_of_machine(error)
        log(traceback.format_exc())
        raise_if_gpu_is_full(error)
        known = isinstance(error, DivergedError | MeddlingError)
        reason = str(error) if known else f"{type(error).__name__}: {error}{place_of(error)}"
        return fail(planned, reason)
    record = begun.finished(results)
    record.write(planned.folder / FILE)
    return record


def fail(planned: PlannedTrial, reason: str) -> Record:
    """Write the record of a trial that failed: it keeps its row, with the reason in one line."""
    plain = reason.encode("utf-8", "backslashreplace").decode()  # no file of text holds a lone surrogate
    record = empty_record(planned).failed(" ".join(plain.split()))
    record.write(planned.folder / FILE)
    return record


def answer_from_store(planned: PlannedTrial, say: Say) -> Record | None:
    """The record of the same trial, if it was carried out before; what is not one is set aside, which is said."""
    path = planned.folder / FILE
    if not path.exists():
        return None
    try:
        record = Record.read(path)
    except RequestError as error:
        if isinstance(error.__context__, OSError):
            raise
        problem = str(error)
    else:
        if trial_key(record) == trial_key(empty_record(planned)):
            return record if record.ok else None
        problem = f"{path}: is the record of another trial"
    path.replace(path.with_name(f"{FILE}.damaged"))
    say(f"set aside: {problem}; the trial is carried out anew")
    return None


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
    scores = evaluate(planned, network, store, fresh)
    _write_outputs(planned, outcome)
    cg_sense, *_ = scores.baselines["cg_sense"].values()
    draw(planned, outcome.state.mask, network, tuned_cg_sense(cg_sense), store)
    sample = _sample(planned)
    cost = Cost(
        stages=bills(outcome.costs),
        relative=relative_cost(planned, outcome.costs),
        macs=network_macs(planned, model, outcome.state.mask),
        latency_ms=median_latency_ms(lambda: network(sample), planned.workspace.device),
        peak_memory_mb=peak_memory_mb(planned.workspace.device),
        **({"recomputed": True} if model.recompute else {}),
    )
    return Results(mask_summary(planned, outcome), cost, convergence(outcome), *scores)


class Evaluated(NamedTuple):
    """Scores of a network, and of the baselines beside it: see `Results`."""

    metrics: dict[str, Metrics]
    baselines: dict[str, dict[str, Metrics]]
    shifts: dict[str, dict[str, Metrics]]
    volumes: tuple[VolumeScores, ...]


def evaluate(planned: PlannedTrial, network: Reconstruct, store: Store, fresh: bool) -> Evaluated:
    """Score a network on the test volumes, under the shifts, and the baselines of data and architecture.

    Parameters
    ----------
    planned : PlannedTrial
    network : callable
    store : Store
        Where scores of baselines are kept.
    fresh : bool
        Compute these anew.
    """
    baselines = _baselines(planned, store, fresh)
    scores = score_network(network, planned.test, planned.data.shifts)
    return Evaluated(scores.metrics, baselines, scores.shifts, scores.volumes)


def network_macs(planned: PlannedTrial, model: Architecture, mask: Mask) -> Macs:
    """Multiply–accumulates of the network on one slice of the first test volume."""
    sample = _sample(planned)
    return Macs(**forward_macs(model, mask, (sample.kspace, sample.mask, sample.maps)))


def _sample(planned: PlannedTrial) -> Samples:
    volume = planned.test.volumes[0]
    first = next(slices_of(volume, planned.test.only(volume, 0)))
    return first.samples


def _write_outputs(planned: PlannedTrial, outcome: Outcome) -> None:
    """Weights and mask, beside the record."""
    folder = planned.folder
    with replacing(folder / "mask.safetensors") as path:
        safetensors.torch.save_file(dict(outcome.state.mask), path)
    described = WeightsDescription.of(planned.resolved.trial, planned.context)
    write_weights(folder / WEIGHTS, outcome.state.masked_weights(), described)
    curves.write(folder, curves.stage_curves(planned.resolved.stages, outcome.costs), planned.resolved.trial.row)


def _baselines(planned: PlannedTrial, store: Store, fresh: bool) -> dict[str, dict[str, Metrics]]:
    """Baselines by name and split: those of the data alone, and the empty network of the architecture."""
    device = planned.workspace.device
    of_data = {
        "baselines": reference.VERSION,
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
        tuned = reference.tune_cg_sense(planned.data.training.training, planned.test.preparation, device)
        methods: dict[str, Reconstruct] = {"zero_filled": reference.zero_filled_image, "cg_sense": tuned}
        found = score(methods, planned.test, partial(bar, "baselines"), {"oracle": reference.oracle_image})
        return {"scores": found, "tuning": {"lambda": tuned.weight, "iterations": tuned.iterations}}

    def score_empty() -> dict[str, Any]:
        model = planned.workspace.model(State.of(planned.workspace.initial_model()))
        return score({"empty": reference.empty_network(model)}, planned.test, partial(bar, "empty network"))

    data = stored(store, fresh, of_data, score_data)
    scores = {**data["scores"], **stored(store, fresh, of_network, score_empty)}
    found = {name: summarise(part, planned.test.splits) for name, part in scores.items()}
    for split in found["cg_sense"].values():
        split |= data["tuning"]
    return found
