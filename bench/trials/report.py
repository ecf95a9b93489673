"""What a person reads on the terminal."""

from collections.abc import Iterator, Mapping

from bench.evaluation.metrics import MAIN, metrics
from bench.trials.plan import PlannedTrial
from pruners import kept_count
from pruners.granularity import granularity_of
from pruners.stages import sparsity_after
from records.provenance import Amount
from records.record import Record, present
from records.results import BASELINE_WORDS, BySplit, Search
from registries import suite
from registries.text import aligned, plural

TO_BEAT = ("zero_filled", "cg_sense", "empty")
NETWORK = "this network"


def heading(planned: PlannedTrial) -> Iterator[str]:
    """What runs: row, data, device, parameters, kept weights."""
    trial, track, data = planned.resolved.trial, planned.resolved.track, planned.data.summary
    yield f"{trial.row} · size {trial.size} · track {track.name} · seed {trial.seed} · {trial.protocol} protocol"
    origin = "built in, no --data given" if planned.data.root.origin == "embedded" else planned.data.root.origin
    yield f"data: {data.kind}, {planned.data.root.place} ({origin})"
    yield f"training on {trial.train_on}: {_count(data.training)}, {trial.acceleration}× undersampled"
    validation = present(data.validation)
    yield f"validation: {_count(validation) if validation.patients else 'none, too few training patients'}"
    tested = "; ".join(f"{name}: {_count(part)}" for name, part in data.test.items())
    yield f"test: {tested}"
    for name, reason in planned.data.summary.unavailable.items():
        yield f"test: {name}: n/a: {reason}"
    model = planned.workspace.initial_model()
    prunable = sum(part.weight.numel() for part in model.prunable(planned.resolved.groups).values())
    kept = kept_count(prunable, trial.sparsity)
    most = "" if granularity_of(planned.resolved.entry).exact else "at most "
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if planned.resolved.width != 1:
        yield f"width: {planned.resolved.width:.3f} of the full one; its weights are not paired with other rows"
    yield f"network: {parameters:,} parameters, {prunable:,} prunable, {most}{kept:,} kept"
    options = [f"{name}={value}" for name, value in planned.resolved.variant.options]
    yield f"initialisation: {', '.join([planned.resolved.init, *options])}"
    yield f"device: {planned.workspace.device}, {track.threads} threads"
    yield from edited_sources()


def edited_sources() -> Iterator[str]:
    """A line if the suite is not that of its commit."""
    if edits := suite.edits():
        known = suite.sources()
        if known.edited is None:
            why = "git does not say whether the sources of the suite are those of a commit"
        else:
            why = f"the sources of the suite are not those of commit {str(known.commit)[:12]}"
        yield f"{why} ({edits[:12]}): results are kept apart from those of commits"


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
    if not record.ok:
        yield f"{record.status}: {record.reason}"
        return
    yield from _mask_lines(record)
    yield from table(record.metrics, record.baselines)
    yield from shift_table(record.metrics, record.shifts)
    yield from lesion_lines(record.metrics)


def _mask_lines(record: Record) -> Iterator[str]:
    """What is kept, and how it was found."""
    mask = record.mask
    if mask is None:  # of weights from anywhere
        return
    yield (
        f"kept {mask.kept:,} of {mask.prunable:,} prunable weights ({100 * (1 - mask.achieved):.4g} %), "
        f"compression {mask.compression:.2f}×, cost {present(record.cost).relative:.3f} dense trainings"
    )
    if mask.overlap is not None:
        yield f"masks from two sets of training batches have {100 * mask.overlap:.1f} % of their kept weights in common"
    if mask.search:
        yield search_line(mask.search)


def search_line(search: Search) -> str:
    """What came of a PUN-style search for a mask."""
    names = ("soft", "hard", "random", "lowest_random", "unpruned")
    losses = ", ".join(f"{name.replace('_', ' ')} {getattr(search, f'{name}_loss'):.4f}" for name in names)
    verdict = "search failed: no better than random masks" if search.failed else "better than random masks"
    if search.not_converged:
        verdict += f", not converged: mean probability {search.mean_probability:.2f}, density {search.density:.2f}"
    return f"PUN-style search: {verdict}; training loss under each mask: {losses}"


def table(scores: BySplit, baselines: Mapping[str, BySplit]) -> Iterator[str]:
    """Split × method × metric, as aligned text."""
    rows = [["split", "method", "PSNR dB", "SSIM", "NMSE"]]
    for split, found in scores.items():
        beside = {name: baselines.get(name, {}) for name in TO_BEAT}
        methods = {BASELINE_WORDS[n]: part[split] for n, part in beside.items() if split in part} | {NETWORK: found}
        for position, (label, values) in enumerate(methods.items()):
            figures = [metrics.get(metric).text(values[metric]) for metric in MAIN]
            rows.append(["" if position else split, label, *figures])
    yield from aligned(rows)


def shift_table(scores: BySplit, shifts: Mapping[str, BySplit]) -> Iterator[str]:
    """This network under each shift, beside itself without, as aligned text."""
    rows = [["split", "shift", "PSNR dB", "SSIM", "NMSE", "volumes"]]
    for split, found in shifts.items():
        for position, (name, values) in enumerate([("none", scores[split]), *found.items()]):
            figures = [metrics.get(metric).text(values[metric]) for metric in MAIN]
            rows.append(["" if position else split, name, *figures, str(values.volumes)])
    if len(rows) > 1:
        yield from aligned(rows)


def lesion_lines(metrics: BySplit) -> Iterator[str]:
    """This network inside the boxes of findings and inside sham boxes, for the splits that have boxes."""
    for split, found in metrics.items():
        if found.metrics.get("compared"):
            parts = [
                f"{kind} SSIM {found[f'{name}_ssim']:.4f}, NMSE {found[f'{name}_nmse']:.5f}"
                for name, kind in (
                    ("lesion", f"in {found['compared']:.0f} of {plural(round(found['boxes']), 'box')}"),
                    ("sham", f"in {found['shams']:.0f} sham boxes"),
                )
            ]
            yield f"{split}, {NETWORK}: {'; '.join(parts)}"


def _count(part: Amount | None) -> str:
    amount = present(part)
    return f"{plural(amount.volumes, 'volume')} of {plural(amount.patients, 'patient')}"
