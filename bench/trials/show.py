"""What a recorded trial did, for people: everything its record holds, in the order in which it happened."""

from collections.abc import Iterator
from pathlib import Path

from bench.trials.report import results
from records.provenance import Amount
from records.record import Record, in_order
from records.setting import evaluated_on
from registries.hashing import content_key
from registries.text import aligned, plural


def description(record: Record, path: Path) -> Iterator[str]:
    """The whole trial.

    Parameters
    ----------
    record : Record
    path : Path
        Of its file, or of the archive that holds it.
    """
    trial, resolved = record.trial, record.trial.resolved
    yield f"{record.row} · size {trial.size} · track {resolved.track} · seed {trial.seed} · {trial.protocol} protocol"
    deviating = [f"{name}={value}" for name, value in record.row.settings]
    yield f"settings that differ from the defaults: {', '.join(deviating) or 'none'}"
    yield from _data(record)
    if resolved.training:
        yield f"training: {', '.join(f'{name} {value}' for name, value in sorted(resolved.training.items()))}"
    if trial.options:
        yield f"pruner: {', '.join(f'{name} {value}' for name, value in sorted(trial.options.items()))}"
    if resolved.init:
        yield f"initialisation: {resolved.init}"
    yield from _stages(record)
    yield from results(record)
    yield from _provenance(record)
    yield f"record: {path}"
    if path.is_file():
        yield f"files beside the record: {', '.join(_others(path)) or 'none'}"


def _others(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir() if file != path)


def _data(record: Record) -> Iterator[str]:
    trial, data = record.trial, record.provenance.data
    if not data.kind:
        yield "data: none were opened"
        return
    yield f"data: {data.kind}, identity {content_key(data.identity)[:8]}; {trial.acceleration}× undersampled"
    yield f"training on {trial.train_on}: {_amount(data.training)}; validation: {_amount(data.validation)}"
    if elsewhere := evaluated_on(record):
        yield f"evaluated on {elsewhere}"
    tested = in_order(data.test, record.splits)
    yield f"test: {'; '.join(f'{name}: {_amount(amount)}' for name, amount in tested.items())}"
    for name, reason in data.unavailable.items():
        yield f"test: {name}: n/a: {reason}"


def _stages(record: Record) -> Iterator[str]:
    """Stages with what each took; those of a trial that did not finish by their kinds."""
    if record.cost is None:
        yield f"stages: {', '.join(str(stage.get('kind')) for stage in record.recipe) or 'none'}"
        return
    rows = [["stage", "", "steps", "MACs", "seconds", "from the store"]]
    for stage in record.cost.stages:
        cells = [f"{stage.steps:,}", f"{stage.macs:.3g}", f"{stage.seconds:.1f}", "yes" if stage.reused else "no"]
        rows.append([stage.name, "", *cells])
    yield from aligned(rows)


def _provenance(record: Record) -> Iterator[str]:
    source = record.provenance
    changed = ", with changes" if source.dirty else ""
    yield f"code: commit {str(source.git)[:12]}{changed}, {source.date or 'no date'}"
    versions = ", ".join(f"{name} {version}" for name, version in sorted(source.versions.items()))
    yield f"versions: {versions}"
    numerics = source.numerics
    threads = plural(numerics.threads, "thread") if numerics.threads else "threads unknown"
    yield f"device: {source.device} ({numerics.device}, {numerics.dtype}, {threads})"
    entries = ", ".join(f"{entry.name} {entry.version} ({entry.origin[:19]})" for entry in source.entries)
    yield f"entries: {entries or 'none'}"


def _amount(amount: Amount | None) -> str:
    if amount is None or not amount.patients:
        return "none"
    return f"{plural(amount.volumes, 'volume')} of {plural(amount.patients, 'patient')}"
