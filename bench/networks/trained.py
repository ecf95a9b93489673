"""A trained network as a trial left it: its record, its weights with zeros, its mask."""

from dataclasses import dataclass
from pathlib import Path

import safetensors.torch

from architectures import Architecture, Variant, build
from bench.machine.randomness import generator
from bench.networks import weights
from pruners import Mask
from records.record import FILE, Record, present
from registries import RequestError

WEIGHTS, MASK = weights.FILE, "mask.safetensors"


@dataclass(frozen=True)
class StoredNetwork:
    """What lies in the folder of a finished trial.

    Attributes
    ----------
    record : Record
    model : Architecture
        With pruned weights exactly zero.
    mask : Mask
    folder : Path
    """

    record: Record
    model: Architecture
    mask: Mask
    folder: Path

    @classmethod
    def of(cls, path: Path) -> "StoredNetwork":
        """Read a record or its folder.

        Raises
        ------
        RequestError
            If the trial did not finish, or its weights are not there or not its own.
        """
        file = path / FILE if path.is_dir() else path
        if not file.is_file() or file.suffix != ".json":
            what = "is not a record" if file.is_file() else "does not exist"
            raise RequestError(f"{file}: {what}; name the folder of a finished trial, e.g. results/modl-dense_…")
        record = Record.read(file)
        if not record.ok:
            raise RequestError(f"{file}: its trial is {record.status}: there is no network")
        try:
            stored = safetensors.torch.load_file(file.with_name(WEIGHTS))
            mask = Mask(safetensors.torch.load_file(file.with_name(MASK)))
            model = whole_network(record)
            model.load_state_dict(stored)
        except Exception as error:  # both libraries raise whatever they meet
            raise RequestError(f"{file}: its weights and mask are not in its folder ({error})") from None
        if mask.sha256 != present(record.mask).sha256:
            raise RequestError(f"{file}: the mask beside it is another one than that of the record")
        about = weights.described(file.with_name(WEIGHTS))
        if about:
            _check_own(about, record, file)
        return cls(record, model.eval(), mask, file.parent)


def _check_own(about: weights.WeightsDescription, record: Record, file: Path) -> None:
    """The weights are of the trial, and of the code there is."""
    trial = record.trial
    of_weights = (about.row, about.size, about.seed, about.train_on, about.acceleration, about.width, about.variant)
    of_trial = (str(record.row), trial.size, trial.seed, trial.train_on, trial.acceleration, trial.resolved.width)
    if of_weights != (*of_trial, variant_of(record)):
        other = f"{about.row}, size {about.size}, seed {about.seed}, {about.train_on}, {about.acceleration}×"
        raise RequestError(f"{file}: the weights beside it are those of another trial ({other})")
    weights.network_of(about, str(file))  # refused where the architecture is another one by now


def whole_network(record: Record) -> Architecture:
    """The dense network of a record, with arbitrary weights."""
    trial, variant = record.trial, variant_of(record)
    return build(trial.arch, trial.size, generator(0, "any weights"), trial.resolved.width, variant).eval()


def variant_of(record: Record) -> Variant:
    """What deviates from the network that the architecture declares; older records know of nothing that could."""
    return Variant.from_json(record.trial.resolved.variant)
