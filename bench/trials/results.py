"""What a finished trial has to say: mask, cost, convergence, scores, as they stand in its record."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from bench.evaluation.metrics import metrics
from bench.machine.provenance import provenance
from bench.stages.carry_out import Outcome
from bench.store.state import StageCost
from bench.trials.plan import PlannedTrial
from pruners import LearnMask, Mask
from pruners.contract import identities_of, what_mask_has_seen
from pruners.granularity import granularity_of
from pruners.paths import disconnected
from pruners.stages import changes_mask, values_of
from records.record import Record
from records.results import Channels, Convergence, Layer, MaskSummary, Search, StageBill
from registries.identity import BUILT_IN


def empty_record(planned: PlannedTrial) -> Record:
    """A record before anything was done."""
    resolved, context = planned.resolved, planned.context
    track, stages = resolved.track, resolved.stages
    entries = [
        context.architecture,
        resolved.entry.identity,
        *(one for stage in stages for one in identities_of(stage)),
    ]
    entries += [one.identity for one in metrics.ordered() if one.identity.origin != BUILT_IN]
    resolution = {
        "track": track.name,
        "training": asdict(track.training),
        "evaluation": asdict(track.evaluation),
        "preparation": context.preparation,
        "threads": track.threads,
        "width": resolved.width,
        "init": resolved.init,
        "variant": context.variant,
        "budget": resolved.budget,
    }
    source = provenance(
        device=planned.workspace.device,
        numerics=context.numerics,
        data=planned.data.summary,
        seed=resolved.trial.seed,
        entries=tuple(dict.fromkeys(entries)),
        libraries=granularity_of(resolved.entry).libraries,
    )
    trial = {**resolved.trial.to_json(), "resolved": resolution}
    recipe = [plain(values_of(stage)) for stage in stages]
    return Record.without_results(trial, recipe, source, "failed", "not carried out")


def layers_of(planned: PlannedTrial, mask: Mask) -> tuple[Layer, ...]:
    """What is kept of each prunable weight, in the order of the network."""
    parts = planned.workspace.initial_model().prunable()
    return tuple(
        Layer(name=name, group=parts[name].group, kept=int(mask[name].sum()), total=mask[name].numel())
        for name in parts
        if name in mask
    )


def mask_summary(planned: PlannedTrial, outcome: Outcome) -> MaskSummary:
    """What is kept, how it was found, and whether anything passes."""
    stages = planned.resolved.stages
    last = max((i for i, stage in enumerate(stages) if changes_mask(stage)), default=None)
    findings = {} if last is None else outcome.costs[last].findings
    search = _search(findings) if last is not None and isinstance(stages[last], LearnMask) else None
    return MaskSummary(overlap=findings.get("overlap"), search=search, **mask_counts(planned, outcome.state.mask))


def mask_counts(planned: PlannedTrial, mask: Mask) -> dict[str, Any]:
    """Of a summary what follows from the mask, however it was found."""
    model = planned.workspace.initial_model()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    counted = granularity_of(planned.resolved.entry).number_kept(mask, planned.workspace.channels)
    return {
        "requested": planned.resolved.trial.sparsity,
        "achieved": 1 - mask.density,
        "kept": mask.kept,
        "prunable": mask.total,
        "parameters": parameters,
        "compression": parameters / max(1, parameters - (mask.total - mask.kept)),
        "seen": what_mask_has_seen(planned.resolved.stages),
        "disconnected": disconnected(model.networks(), mask),
        "layers": layers_of(planned, mask),
        "sha256": mask.sha256,
        **({"channels": Channels(kept=counted[0], total=counted[1])} if counted else {}),
    }


def _search(findings: Mapping[str, float]) -> Search:
    """What the last search said about itself."""
    flags = {"failed", "not_converged"}
    values = {name: bool(findings[name]) if name in flags else findings[name] for name in Search.model_fields}
    return Search.model_validate(values)


def convergence(outcome: Outcome) -> Convergence | None:
    """How well the network fits training and validation patients at its end, and a dense one before its last fifth."""
    findings = outcome.costs[-1].findings
    if "psnr_at_end" not in findings:
        return None
    return Convergence.model_validate({name: findings[name] for name in Convergence.model_fields if name in findings})


def bills(costs: Iterable[StageCost]) -> tuple[StageBill, ...]:
    """Cost of each stage."""
    return tuple(StageBill(**{name: getattr(cost, name) for name in StageBill.model_fields}) for cost in costs)


def relative_cost(planned: PlannedTrial, costs: Iterable[StageCost]) -> float:
    """Cost of all stages over that of one dense training of the track's T (masked zeros are not free)."""
    dense = planned.workspace.step_macs * planned.resolved.budget
    return sum(cost.macs for cost in costs) / dense


def plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value
