"""What is trained and what is evaluated on: volumes chosen by folder, patient and annotation."""

from datasets.splits.contract import SplitEntry, UnavailableError, split, splits
from datasets.splits.training import TRAINING_SETS, TrainingSet, training_set

__all__ = ["TRAINING_SETS", "SplitEntry", "TrainingSet", "UnavailableError", "split", "splits", "training_set"]
