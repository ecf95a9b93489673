"""Scoring a trained network on other data, or under other conditions, than those of its trial."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from architectures import architectures
from bench.evaluation import baselines as reference
from bench.evaluation.everything import bar, score_network
from bench.evaluation.inputs import evaluation_inputs
from bench.evaluation.scoring import Reconstruct, Scores, score, summarise
from bench.machine.numerics import describe_numerics
from bench.machine.provenance import provenance
from bench.networks.pretrained import hash_of
from bench.store.once import stored
from bench.store.store import Store
from bench.use.data import ForeignData
from bench.use.network import TrainedNetwork
from datasets import samples
from records.elsewhere import FILE, Elsewhere
from records.provenance import Amount, Data
from records.record import Record
from records.results import VolumeScores
from records.setting import trial_key
from records.trial import CoilMaps, Evaluation, Preparation
from registries import Identity, RequestError
from registries.files import replacing
from registries.hashing import content_key

NETWORK = "network"


@dataclass(frozen=True)
class Evaluated:
    """An evaluation.

    Attributes
    ----------
    record : Record
        Of the trial, with the scores and conditions of this evaluation.
    folder : Path
        With `evaluation.json` and `volumes.csv`.
    reused : bool
        Whether it was there from before.
    """

    record: Record
    folder: Path
    reused: bool

    @property
    def volumes(self) -> pd.DataFrame:
        """Scores of every method on every volume, one row each."""
        return pd.read_csv(self.folder / "volumes.csv")


def evaluate(
    trained: TrainedNetwork, data: ForeignData, out: Path, fresh: bool, say: Callable[[str], None]
) -> Evaluated:
    """Score a network, CG-SENSE as it was tuned for its trial, and the other baselines; writes a record of its own.

    Parameters
    ----------
    trained : TrainedNetwork
    data : ForeignData
        Chosen for this network.
    out : Path
        Folder of all evaluations.
    fresh : bool
        Compute everything anew.
    say : callable
        Told what happens, one line each.

    Raises
    ------
    RequestError
        If an output cannot be written, or the network gives values that are not finite.
    """
    store = Store(out / ".store", say)
    trained.set_numerics()
    threads, precision = trained.record.trial.resolved.threads or 1, _precision(trained)
    numerics = describe_numerics(trained.device, threads, precision)
    inputs = evaluation_inputs(data.test, data.shifts, data.content, _preparation(data), numerics)
    weights = hash_of({name: value.float().cpu() for name, value in trained.model.state_dict().items()})
    tuned = trained.cg_sense
    code = asdict(architectures.get(trained.record.trial.arch).identity)
    inputs |= {"baselines": reference.VERSION}
    named = {
        **inputs,
        "architecture": code,
        "weights": weights,
        "trial": trial_key(trained.record),
        "tuning": tuned and asdict(tuned),
    }
    folder = out / _name(trained.record, data, content_key(named))
    if (folder / FILE).is_file() and (folder / "volumes.csv").is_file() and not fresh:
        return Evaluated(Record.read(folder / FILE), folder, reused=True)
    try:
        found = score_network(trained.network, data.test, data.shifts)
        beside = _baselines(trained, data, inputs, partial(stored, store, fresh))
    except ArithmeticError as error:
        raise RequestError(f"{trained.record.row}: {error}") from None
    baselines = {name: summarise(scores, data.test.splits) for name, scores in beside.items()}
    for split in baselines.get("cg_sense", {}).values():
        split |= {"lambda": tuned.weight, "iterations": tuned.iterations} if tuned else {}
    record = trained.record.evaluated(
        _elsewhere(data, weights),
        found.metrics,
        baselines,
        found.shifts,
        found.volumes,
        provenance(
            device=trained.device,
            numerics=numerics,
            data=_data(trained.record, data),
            seed=trained.record.seed,
            entries=[Identity(e.name, e.version, e.origin) for e in trained.record.provenance.entries],
        ),
    )
    folder.mkdir(parents=True, exist_ok=True)
    _write_volumes(folder / "volumes.csv", found.volumes, beside)
    record.write(folder / FILE)
    return Evaluated(record, folder, reused=False)


def _baselines(
    trained: TrainedNetwork, data: ForeignData, inputs: Mapping[str, Any], keep: Callable[..., dict[str, Scores]]
) -> dict[str, Scores]:
    """Scores of every baseline by volume; those of the data alone are computed once for all networks."""
    tuned, trial = trained.cg_sense, trained.record.trial
    methods: dict[str, Reconstruct] = {"zero_filled": reference.zero_filled_image}
    if tuned:
        methods["cg_sense"] = tuned
    of_data = {"evaluation": inputs, "tuning": tuned and asdict(tuned)}
    resolved, code = trial.resolved, asdict(architectures.get(trial.arch).identity)
    of_network = {**of_data, "network": [code, trial.size, resolved.width, resolved.variant]}

    def of_the_data() -> dict[str, Scores]:
        return score(methods, data.test, partial(bar, "baselines"), {"oracle": reference.oracle_image})

    def of_the_empty() -> dict[str, Scores]:
        network = reference.empty_network(trained.initial_model())
        return score({"empty": network}, data.test, partial(bar, "empty network"))

    return {**keep(of_data, of_the_data), **keep(of_network, of_the_empty)}


def _preparation(data: ForeignData) -> dict[str, Any]:
    preparation = data.test.preparation
    return {
        "version": samples.VERSION if data.kind == "simulated" else samples.VERSION_OF_REAL_DATA,
        **asdict(preparation),
        "undersampling": preparation.undersampling.to_json(),
    }


def _elsewhere(data: ForeignData, weights: str) -> Elsewhere:
    values = _preparation(data)
    return Elsewhere(
        kind=data.kind,
        data=data.content,
        folders=data.folders,
        preparation=Preparation(**{**values, "maps": CoilMaps(**values["maps"])}),
        evaluation=Evaluation(
            splits=tuple(data.test.splits),
            shifts=tuple(shift.name for shift in data.shifts),
            volumes=data.conditions.volumes or 0,
            slices=data.conditions.slices or 0,
        ),
        weights=weights,
    )


def _data(record: Record, data: ForeignData) -> Data:
    """What the network was trained on, and what it was scored on here."""
    own = record.provenance.data
    return Data(
        kind=own.kind,
        identity=own.identity,
        training=own.training,
        validation=own.validation,
        test={
            split: Amount(volumes=len(part), patients=len({volume.patient for volume in part}))
            for split, part in data.test.splits.items()
        },
        unavailable=dict(data.unavailable),
    )


def _write_volumes(path: Path, network: tuple[VolumeScores, ...], beside: Mapping[str, Scores]) -> None:
    rows = [{**volume.model_dump(exclude_none=True), "method": NETWORK} for volume in network]
    for volume in [one for one in network if one.shift is None]:
        about = {name: getattr(volume, name) for name in ("split", "volume", "patient", "anatomy", "acquisition")}
        rows += [{**about, "method": method, **scores[volume.volume]} for method, scores in beside.items()]
    first = ["split", "shift", "volume", "patient", "anatomy", "acquisition", "method"]
    table = pd.DataFrame(rows)
    table = table.reindex(columns=[*first, *(name for name in table.columns if name not in first)])
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)


def _name(record: Record, data: ForeignData, digest: str) -> str:
    trial = record.trial
    row = str(trial.row).replace("/", "-")
    own = f"{trial.size}_{trial.train_on}-{trial.acceleration}x_seed{trial.seed}"
    acceleration = data.test.preparation.undersampling.acceleration
    return f"{row}_{own}_on-{data.kind}-{acceleration}x_{digest[:8]}"


def _precision(trained: TrainedNetwork) -> str:
    return str(trained.record.trial.resolved.training.get("precision", "float32"))
