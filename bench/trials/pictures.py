"""The pictures of a trial: what they compare its network with, and drawing them once more in another format."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from bench.evaluation import pictures
from bench.evaluation.baselines import CGSense, zero_filled_image
from bench.evaluation.scoring import Reconstruct
from bench.networks.reconstruct import reconstruct
from bench.networks.trained import StoredNetwork
from bench.store.keys import stage_key
from bench.store.state import State
from bench.store.store import Store
from bench.trials.plan import PlannedTrial
from bench.trials.results import layers_of
from pruners import Given, Mask, Train
from pruners.contract import identities_of
from records.examples import CG_SENSE, DENSE, FILE, NETWORK, ZERO_FILLED, write_examples
from records.pictures import comparison, save
from records.record import Record

RECONSTRUCTIONS, LAYERS, FINDINGS = "reconstructions", "layers", "findings"


def draw(planned: PlannedTrial, mask: Mask, network: Reconstruct, cg_sense: CGSense, store: Store) -> None:
    """Write the example images of a trial and its pictures, in the format that was asked for."""
    folder, row, suffix = planned.folder, planned.resolved.trial.row, planned.format
    dense = dense_network(planned, store)
    methods: dict[str, Reconstruct] = {ZERO_FILLED: zero_filled_image, CG_SENSE: cg_sense}
    methods |= {DENSE: dense, NETWORK: network} if dense else {NETWORK: network}
    examples = pictures.examples(methods, planned.test)
    write_examples(folder / FILE, examples)
    save(comparison(list(examples.values()), row), folder / f"{RECONSTRUCTIONS}.{suffix}")
    pictures.layers(folder / f"{LAYERS}.{suffix}", layers_of(planned, mask), row)
    pictures.findings(folder / f"{FINDINGS}.{suffix}", network, planned.test, row)


def draw_again(planned: PlannedTrial, record: Record) -> bool:
    """Draw the pictures of a finished trial where its folder holds none of the format that is asked for.

    Returns
    -------
    bool
        Whether they were drawn.

    Raises
    ------
    RequestError
        If they are needed, and the folder lacks the weights or the mask.
    """
    if (planned.folder / f"{RECONSTRUCTIONS}.{planned.format}").exists():
        return False
    stored = StoredNetwork.of(planned.folder)
    planned.set_numerics()
    network = _network(planned, State(stored.model.state_dict(), stored.mask))
    cg_sense, *_ = record.baselines["cg_sense"].values()
    draw(planned, stored.mask, network, tuned_cg_sense(cg_sense.metrics), Store(planned.store))
    return True


def tuned_cg_sense(scores: Mapping[str, float | None]) -> CGSense:
    """CG-SENSE as it was tuned on the training volumes, which its scores name: those of any split."""
    return CGSense(scores["lambda"] or 0.0, round(scores["iterations"] or 1))


def dense_network(planned: PlannedTrial, store: Store) -> Reconstruct | None:
    """The dense network of the same setting, trained for the whole T, if the store holds it.

    Of a trial that starts from given weights it is the network of these.
    """
    resolved = planned.resolved
    if resolved.entry.name == DENSE:
        return None
    first, steps = resolved.stages[0], resolved.budget
    context = replace(planned.context, training={**planned.context.training, "steps": steps})
    stage = first if isinstance(first, Given) else Train(0, steps)
    found = store.load(stage_key(context.key, stage, identities_of(stage)))
    return _network(planned, found[0]) if found else None


def _network(planned: PlannedTrial, state: State) -> Reconstruct:
    model = planned.workspace.model(state)
    model.load_state_dict(state.masked_weights())
    return partial(reconstruct, model.eval())
