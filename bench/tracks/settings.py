"""Settings of training and evaluation: what a track fixes and ``--set`` may change."""

from dataclasses import dataclass

LOSSES = ("ssim", "l1", "mse", "complex-mse")
PRECISIONS = ("float32", "bf16", "tf32")


@dataclass(frozen=True)
class TrainingSettings:
    """One nominal schedule of T steps.

    Attributes
    ----------
    steps : int
        T, the length of one dense training.
    batch : int
        Slices per step.
    learning_rate : float
        Learning rate of Adam, at its highest.
    warm_up : float
        Fraction of T in which the learning rate rises linearly; a cosine takes it to zero at T.
    clip : float
        Largest norm of the gradient.
    weight_decay : float
        Decoupled weight decay (AdamW); 0 is plain Adam.
    loss : str
        What is minimised: ``ssim``, ``l1`` or ``mse``, between magnitude image and target; ``complex-mse``, between
        complex images.
    precision : str
        Arithmetic: ``float32``; ``bf16`` inside the CNNs; or ``tf32``, products of a GPU with factors of ten bits.
    """

    steps: int
    batch: int
    learning_rate: float
    warm_up: float = 0.05
    clip: float = 1.0
    weight_decay: float = 0.0
    loss: str = "l1"
    precision: str = "float32"


@dataclass(frozen=True)
class EvaluationSettings:
    """What is scored.

    Attributes
    ----------
    splits : tuple of str
    shifts : tuple of str
        Changed conditions, on every split.
    volumes : int
        At most so many per split, chosen by the hash of their name; 0 for all.
    slices : int
        At most so many slices of each volume, those with boxes of findings first, then central ones; 0 for all.
    """

    splits: tuple[str, ...]
    shifts: tuple[str, ...] = ()
    volumes: int = 0
    slices: int = 0
