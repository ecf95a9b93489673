"""A trial: one cell of the grid, by value; and as it is recorded, with everything resolved."""

from typing import Any

from pydantic import JsonValue

from records.fields import Part, Role, Value, about, sequence
from records.row_name import RowName
from registries.bounds import Bounds

PROTOCOLS = ("standard", "equal-total")
DEFAULT_SPARSITY = "0.9"
NO_CONTROL = "none"
"""How a list of controls names the trial without one."""
SEEDS = Bounds(0, 2**31, below=True)
ACCELERATIONS = Bounds(1, 1000)

SettingValue = bool | int | float | str


class Trial(Part):
    """What is asked for; everything else follows from the track and the data."""

    arch: str = about("architecture", role=Role.ROW)
    size: str = about("size of the network")
    pruner: str = about("how the mask is found", role=Role.ROW)
    timing: str | None = about(
        "when the mask is found: `at-init`, `while` or `after`; null for `dense`",
        role=Role.ROW,
        pattern="^(at-init|while|after)$",
    )
    sparsity: str = about(
        "share of the prunable weights that is removed, a decimal in its shortest form",
        role=Role.ROW,
        pattern=r"^0(\.[0-9]+)?$",
    )
    train_on: str = about("training set, as `--train-on` names it")
    acceleration: int = about("undersampling factor", ge=1, le=1000)
    seed: int = about("of everything that is drawn", role=Role.TRIAL, ge=0, lt=2**31)
    protocol: str = about("`standard` or `equal-total`", default="standard", pattern="^(standard|equal-total)$")
    control: str | None = about("what is controlled for, null for nothing", role=Role.ROW, default=None)
    options: dict[str, SettingValue] = about("options of the pruner, resolved", role=Role.ROW, default={})
    settings: dict[str, SettingValue] = about(
        "what deviates from the defaults of track, architecture, pruner, as `--set` names it; absent if nothing does",
        role=Role.NOTE,  # the resolved values say it
        default={},
    )

    @property
    def row(self) -> RowName:
        """Its row name."""
        return RowName.of(self.arch, self.pruner, self.timing, self.sparsity, self.control, self.settings)

    def to_json(self) -> dict[str, Any]:
        """As it stands in a record; without settings where nothing deviates."""
        content = {"protocol": self.protocol, "control": self.control, "options": self.options, **super().to_json()}
        if not self.settings:
            content.pop("settings", None)
        return content


class Evaluation(Part):
    """What is scored."""

    splits: tuple[str, ...] = sequence("sets of test volumes")
    shifts: tuple[str, ...] = sequence(
        "changed conditions on these; more of them change no other score", role=Role.NOTE
    )
    volumes: int = about("at most so many of each split; 0 for all")
    slices: int = about("at most so many of each volume; 0 for all")


class CoilMaps(Part):
    """How coil maps are made."""

    kind: str = about("`low-resolution` or `espirit`, from the calibration lines")


class Preparation(Part):
    """How k-space becomes a sample."""

    version: int = about("of the code that prepares samples")
    undersampling: dict[str, Value] = about("pattern, acceleration, centre fraction if it is not the usual one")
    maps: CoilMaps = about("coil maps")
    crop_readout: bool = about("whether the readout is cropped to the target before the network")
    added_noise_snr: float | None = about("noise that is added, null for none", unit="dB", default=None)
    virtual_coils: int | None = about("coils after compression, null for all", default=None)
    train_slices: int = about("slices of each training volume; 0 for all", default=0)
    train_total: int = about("slices in training altogether; 0 for all", default=0)
    validation_slices: int = about("slices of each validation volume; 0 for all", default=0)
    validation_total: int = about("slices in validation altogether; 0 for all", default=0)


class Resolution(Part):
    """What track, architecture and machine decided; a trial that was skipped knows its track alone."""

    track: str = about("name of the track")
    training: dict[str, Value] = about(
        "as `--set train.NAME` names it: loss, steps, batch, learning rate and schedule, precision",
        role=Role.NETWORK,
        roles={"steps": Role.ROW, "weight_decay": Role.ROW},  # a control or an equal total may change them
        default={},
    )
    evaluation: Evaluation | None = about("what is scored", default=None)
    preparation: Preparation | None = about("how k-space becomes a sample", default=None)
    threads: int | None = about("threads of the computation", role=Role.TRIAL, default=None)
    width: float = about("factor of the numbers of channels", role=Role.ROW, default=1.0)
    init: str | None = about(
        "rule by which θ₀ is drawn",
        role=Role.NOTE,  # the entry declares it, or the variant says it
        default=None,
    )
    variant: dict[str, JsonValue] = about(
        "what deviates from the network that the architecture declares", role=Role.NETWORK, default={}
    )
    budget: int | None = about("steps of one dense training, to which costs relate", role=Role.NETWORK, default=None)


class RecordedTrial(Trial):
    """A trial with everything resolved."""

    resolved: Resolution = about("what track, architecture and machine decided")
