"""What an evaluation of a trained network on other data, or under other conditions, adds to its record."""

from records.fields import Part, Role, about, sequence
from records.trial import Evaluation, Preparation

FILE = "evaluation.json"
"""A name of its own: no board and no sweep takes an evaluation for a trial."""


class Elsewhere(Part):
    """What a trained network was scored on, other than what its trial was."""

    kind: str = about("`simulated` or `real` data", pattern="^(simulated|real)$")
    data: str = about("hash of the content of the volumes that were scored")
    folders: tuple[str, ...] = sequence("where the volumes lie: `multicoil_val`, and `multicoil_train` if asked for")
    preparation: Preparation = about("how k-space became a sample")
    evaluation: Evaluation = about("what was scored")
    weights: str = about("SHA-256 of the names and values of the network's weights", role=Role.NOTE)
