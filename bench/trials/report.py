"""What a person reads on the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.evaluation.metrics import MAIN
from bench.trials.plan import PlannedTrial
from pruners import kept_count
from pruners.entries import CHANNEL
from pruners.stages import sparsity_after
from records.record import Record
from registries.text import aligned, plural

FORMATS = {"psnr": "{:.3f}", "ssim": "{:.4f}", "nmse": "{:.5f}"}
BASELINES = {"zero_filled": "zero-filled", "cg_sense": "CG-SENSE", "empty": "empty"}
NETWORK = "this network"


def heading(planned: PlannedTrial) -> Iterator[str]:
    """What runs: row, data, device, parameters, kept weights."""
    trial, track, data = planned.resolved.trial, planned.resolved.track, planned.data
    yield f"{trial.row} · size {trial.size} · track {track.name} · seed {trial.seed} · {trial.protocol} protocol"
    origin = "built in, no --data given" if planned.root.origin == "embedded" else planned.root.origin
    yield f"data: {data['kind']}, {planned.root.place} ({origin})"
    yield f"training on {trial.train_on}: {_count(data['training'])}, {trial.acceleration}× undersampled"
    validation = data["validation"]
    yield f"validation: {_count(validation) if validation['patients'] else 'none, too few training patients'}"
    tested = "; ".join(f"{name}: {_count(part)}" for name, part in data["test"].items())
    yield f"test: {tested}"
    for name, reason in planned.unavailable.items():
        yield f"test: {name}: n/a: {reason}"
    model = planned.workspace.initial_model()
    prunable = sum(part.weight.numel() for part in model.prunable(planned.resolved.groups).values())
    kept = kept_count(prunable, trial.sparsity)
    most = "at most " if planned.resolved.entry.granularity == CHANNEL else ""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if planned.resolved.width != 1:
        yield f"width: {planned.resolved.width:.3f} of the full one; its weights are not paired with other rows"
    yield f"network: {parameters:,} parameters, {prunable:,} prunable, {most}{kept:,} kept"
    options = [f"{name}={value}" for name, value in planned.resolved.variant.options]
    yield f"initialisation: {', '.join([planned.resolved.init, *options])}"
    yield f"device: {planned.workspace.device}, {track.threads} threads"


def dry_run(planned: PlannedTrial) -> Iterator[str]:
    """The recipe, with the density after each stage."""
    density, total = 1.0, 0.0
    for number, stage in enumerate(planned.resolved.stages, start=1):
        found = planned.estimator.estimate(stage)
        total += found.relative
        density = 1 - float(sparsity_after(stage) or 1 - density)
        share = found.relative / planned.resolved.budget
        yield f"stage {number}: {stage} · {found.steps} steps · cost {share:.3f} · density after it {density:g}"
    yield f"cost in dense trainings: {total / planned.resolved.budget:.3f}"


def results(record: Record) -> Iterator[str]:
    """The table of results, or why there are none."""
    content = record.content
    if not record.ok:
        yield f"{content['status']}: {content['reason']}"
        return
    mask = content["mask"]
    yield (
        f"kept {mask['kept']:,} of {mask['prunable']:,} prunable weights ({100 * (1 - mask['achieved']):.4g} %), "
        f"compression {mask['compression']:.2f}×, cost {content['cost']['relative']:.3f} dense trainings"
    )
    if mask["overlap"] is not None:
        yield f"masks from two sets of training batches share {100 * mask['overlap']:.1f} % of what they keep"
    if mask["search"]:
        yield search_line(mask["search"])
    yield from table(content["metrics"], content["baselines"])
    yield from shift_table(content["metrics"], content["shifts"])
    yield from lesion_lines(content["metrics"])


def search_line(search: Mapping[str, float]) -> str:
    """What came of a PUN-style search for a mask."""
    names = ("soft", "hard", "random", "lowest_random", "unpruned")
    losses = ", ".join(f"{name.replace('_', ' ')} {search[f'{name}_loss']:.4f}" for name in names)
    verdict = "search failed: no better than random masks" if search["failed"] else "better than random masks"
    if search.get("not_converged"):
        verdict += (
            f", not converged: mean probability {search['mean_probability']:.2f}, density {search['density']:.2f}"
        )
    return f"PUN-style search: {verdict}; training loss under each mask: {losses}"


def table(metrics: Mapping[str, Any], baselines: Mapping[str, Any]) -> Iterator[str]:
    """Split × method × metric, as aligned text."""
    rows = [["split", "method", "PSNR dB", "SSIM", "NMSE"]]
    for split, found in metrics.items():
        methods = {label: baselines[name][split] for name, label in BASELINES.items()} | {NETWORK: found}
        for position, (label, values) in enumerate(methods.items()):
            figures = [FORMATS[metric].format(values[metric]) for metric in MAIN]
            rows.append(["" if position else split, label, *figures])
    yield from aligned(rows)


def shift_table(metrics: Mapping[str, Any], shifts: Mapping[str, Any]) -> Iterator[str]:
    """This network under each shift, beside itself without, as aligned text."""
    rows = [["split", "shift", "PSNR dB", "SSIM", "NMSE", "volumes"]]
    for split, found in shifts.items():
        for position, (name, values) in enumerate([("none", metrics[split]), *found.items()]):
            figures = [FORMATS[metric].format(values[metric]) for metric in MAIN]
            rows.append(["" if position else split, name, *figures, str(values["volumes"])])
    if len(rows) > 1:
        yield from aligned(rows)


def lesion_lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    """This network inside the boxes of findings and inside sham boxes, for the splits that have boxes."""
    for split, found in metrics.items():
        if found.get("compared"):
            parts = [
                f"{kind} SSIM {found[f'{name}_ssim']:.4f}, NMSE {found[f'{name}_nmse']:.5f}"
                for name, kind in (
                    ("lesion", f"in {found['compared']} of {plural(found['boxes'], 'box')}"),
                    ("sham", f"in {found['shams']} sham boxes"),
                )
            ]
            yield f"{split}, {NETWORK}: {'; '.join(parts)}"


def _count(part: Mapping[str, int]) -> str:
    return f"{plural(part['volumes'], 'volume')} of {plural(part['patients'], 'patient')}"
