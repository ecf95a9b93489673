"""Carrying out a planned trial: recipe, baselines, evaluation, record and pictures."""

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import safetensors.torch
import torch
from tqdm import tqdm

from bench.evaluation import baselines, pictures
from bench.evaluation.scoring import (
    Metrics,
    Reconstruct,
    Scores,
    TestData,
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
from bench.machine.provenance import provenance
from bench.stages.carry_out import Outcome, run_recipe
from bench.stages.loop import DivergedError
from bench.store.full_disk import raise_if_of_storage
from bench.store.state import StageCost, State
from bench.store.store import Store
from bench.trials.plan import PlannedTrial
from datasets.volumes import Volume
from pruners import LearnMask, Mask, kept_count
from pruners.contract import identities_of, what_mask_has_seen
from pruners.entries import CHANNEL
from pruners.paths import disconnected
from pruners.stages import changes_mask, values_of
from records.record import FILE, SCHEMA, UNFINISHED, Record
from registries import RequestError
from registries.files import replacing

Say = Callable[[str], None]
SEARCH = (
    "soft_loss",
    "hard_loss",
    "random_loss",
    "lowest_random_loss",
    "unpruned_loss",
    "divergence",
    "divergence_unit",
    "mean_probability",
    "density",
)
VERDICTS = ("failed", "not_converged")
"""What the record says of a search for a mask."""
EXAMPLES = "examples.safetensors"
CONVERGENCE = ("psnr_at_gate", "psnr_at_end", "validation_loss", "training_loss")


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
    begun = skeleton(planned)
    Record.of(begun)  # whatever is wrong with the request shows before any work is done
    store = Store(planned.store)
    set_numerics(planned.resolved.track.threads)
    forget_peak(planned.workspace.device)
    try:
        outcome = run_recipe(planned.resolved.stages, planned.workspace, planned.context, store, fresh, say)
        _check_count(planned, outcome)
        content = _evaluated(planned, outcome, store, fresh)
    except RequestError:
        raise
    except Exception as error:  # whatever goes wrong inside a trial keeps its row, with the reason
        raise_if_of_storage(error)
        reason = str(error) if isinstance(error, DivergedError) else f"{type(error).__name__}: {error}"
        log(traceback.format_exc())
        return fail(planned, reason)
    record = Record.of({**begun, **content})
    record.write(planned.folder / FILE)
    return record


def fail(planned: PlannedTrial, reason: str) -> Record:
    """Write the record of a trial that failed: it keeps its row, with the reason in one line."""
    record = Record.of({**skeleton(planned), "status": "failed", "reason": " ".join(reason.split())})
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
    mask, sparsity = outcome.state.mask, planned.resolved.trial.sparsity
    wanted = kept_count(mask.total, sparsity)
    if planned.resolved.entry.granularity == CHANNEL:
        channels = planned.workspace.channels
        if mask.kept > wanted or channels.mask(channels.kept(mask)) != mask:
            raise ArithmeticError(f"the recipe leaves parts of channels, or more than {wanted} of {mask.total} weights")
    elif mask.kept != wanted:
        raise ArithmeticError(
            f"the recipe keeps {mask.kept} of {mask.total} weights; sparsity {sparsity} asks for {wanted}"
        )


def skeleton(planned: PlannedTrial) -> dict[str, Any]:
    """A record before anything was done."""
    track = planned.resolved.track
    resolved = {
        "track": track.name,
        "training": asdict(track.training),
        "evaluation": asdict(track.evaluation),
        "preparation": planned.context.preparation,
        "threads": track.threads,
        "width": planned.resolved.width,
        "init": planned.resolved.init,
        "variant": planned.context.variant,
        "budget": planned.resolved.budget,
    }
    stages = planned.resolved.stages
    entries = dict.fromkeys(
        [
            planned.context.architecture,
            planned.resolved.entry.identity,
            *(entry for stage in stages for entry in identities_of(stage)),
        ]
    )
    return {
        "schema": SCHEMA,
        "trial": _plain({**planned.resolved.trial.to_json(), "resolved": resolved}),
        "status": "ok",
        "reason": None,
        "recipe": [_plain(values_of(stage)) for stage in stages],
        **UNFINISHED,
        "provenance": provenance(
            device=planned.workspace.device,
            numerics=planned.context.numerics,
            data=planned.data,
            seed=planned.resolved.trial.seed,
            entries=[asdict(entry) for entry in entries],
            libraries=("torch-pruning",) if planned.resolved.entry.granularity == CHANNEL else (),
        ),
    }


def _evaluated(planned: PlannedTrial, outcome: Outcome, store: Store, fresh: bool) -> dict[str, Any]:
    """Score the final network, write weights, mask and pictures, and give the record's results."""
    model = planned.workspace.model(outcome.state)
    model.load_state_dict(outcome.state.masked_weights())
    model.eval()

    def network(samples: Any) -> torch.Tensor:
        image: torch.Tensor = model(samples.kspace, samples.mask, samples.maps)
        return image

    found_baselines = _baselines(planned, store, fresh)
    scores = score({"network": network}, planned.test, partial(_bar, "evaluating"))["network"]
    shifted = shifted_scores(network, planned.shifts, scores, partial(_bar, "evaluating shifts"))
    shifts: dict[str, dict[str, Metrics]] = {}
    for shift in planned.shifts:
        for split, values in summarise(shifted[shift.name], shift.test.splits).items():
            shifts.setdefault(split, {})[shift.name] = values
    folder = planned.folder
    with replacing(folder / "mask.safetensors") as path:
        safetensors.torch.save_file(dict(outcome.state.mask), path)
    with replacing(folder / "weights.safetensors") as path:
        safetensors.torch.save_file(outcome.state.masked_weights(), path)
    parts = model.prunable()
    layers = [
        {"name": name, "group": parts[name].group, "kept": int(kept.sum()), "total": kept.numel()}
        for name, kept in ((name, outcome.state.mask[name]) for name in parts if name in outcome.state.mask)
    ]
    pictures.layers(folder / "layers.png", layers, planned.resolved.trial.row)
    examples = pictures.examples(network, planned.test)
    pictures.write_examples(folder / EXAMPLES, examples)
    pictures.reconstructions(folder / "reconstructions.png", examples, planned.resolved.trial.row)
    pictures.findings(folder / "findings.png", network, planned.test, planned.resolved.trial.row)
    first = load_test_volume(planned.test.volumes[0], planned.test).samples
    sample = split_samples(first, 1)[0].to(planned.workspace.device)
    latency = median_latency_ms(lambda: network(sample), planned.workspace.device)
    return {
        "mask": _mask_summary(planned, outcome, layers),
        "cost": {
            "stages": [_bill(cost) for cost in outcome.costs],
            "relative": _relative_cost(planned, outcome),
            "macs": forward_macs(model, outcome.state.mask, (sample.kspace, sample.mask, sample.maps)),
            "latency_ms": latency,
            "peak_memory_mb": peak_memory_mb(planned.workspace.device),
        },
        "convergence": _convergence(outcome),
        "metrics": summarise(scores, planned.test.splits),
        "baselines": found_baselines,
        "shifts": shifts,
        "volumes": [
            *_rows(None, planned.test, scores),
            *(row for shift in planned.shifts for row in _rows(shift.name, shift.test, shifted[shift.name])),
        ],
    }


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
        tuned = baselines.tune_cg_sense(planned.training.training, planned.test.preparation, device)
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


def _mask_summary(planned: PlannedTrial, outcome: Outcome, layers: list[dict[str, Any]]) -> dict[str, Any]:
    mask, trial = outcome.state.mask, planned.resolved.trial
    last = max((i for i, stage in enumerate(planned.resolved.stages) if changes_mask(stage)), default=None)
    findings = {} if last is None else outcome.costs[last].findings
    searched = last is not None and isinstance(planned.resolved.stages[last], LearnMask)
    parameters = sum(parameter.numel() for parameter in planned.workspace.initial_model().parameters())
    return {
        "requested": trial.sparsity,
        "achieved": 1 - mask.density,
        "kept": mask.kept,
        "prunable": mask.total,
        "parameters": parameters,
        "compression": parameters / max(1, parameters - (mask.total - mask.kept)),
        "seen": what_mask_has_seen(planned.resolved.stages),
        "overlap": findings.get("overlap"),
        "search": {name: findings[name] for name in SEARCH} | {name: bool(findings[name]) for name in VERDICTS}
        if searched
        else None,
        "disconnected": list(disconnected(planned.workspace.initial_model().networks(), mask)),
        **_channels_summary(planned, mask),
        "layers": layers,
        "sha256": mask.sha256,
    }


def _channels_summary(planned: PlannedTrial, mask: Mask) -> dict[str, Any]:
    """How many channels are kept, where whole ones are removed."""
    if planned.resolved.entry.granularity != CHANNEL:
        return {}
    channels = planned.workspace.channels
    return {"channels": {"kept": channels.number_kept(mask), "total": channels.total}}


def _convergence(outcome: Outcome) -> dict[str, float] | None:
    """How well the network fits training and validation patients at its end, and a dense one before its last fifth."""
    found = {name: value for name, value in outcome.costs[-1].findings.items() if name in CONVERGENCE}
    return found if "psnr_at_end" in found else None


def _bill(cost: StageCost) -> dict[str, Any]:
    return {name: value for name, value in asdict(cost).items() if name != "findings"}


def _relative_cost(planned: PlannedTrial, outcome: Outcome) -> float:
    """Cost of all stages over that of one dense training of the track's T (masked zeros are not free)."""
    dense = planned.workspace.step_macs * planned.resolved.budget
    return sum(cost.macs for cost in outcome.costs) / dense


def _rows(shift: str | None, test: TestData, scores: Scores) -> list[dict[str, Any]]:
    return [
        {
            "split": split,
            "shift": shift,
            "volume": volume.name,
            "patient": volume.patient,
            "anatomy": volume.anatomy,
            "acquisition": volume.acquisition,
            **scores[volume.name],
        }
        for split, volumes in test.splits.items()
        for volume in volumes
    ]


def _bar(what: str, volumes: Sequence[Volume]) -> Iterable[Volume]:
    for volume in tqdm(volumes, desc=what, unit="volume", leave=False):
        signals.check()
        yield volume


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
