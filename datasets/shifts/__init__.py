"""Shifts: changed conditions under which a trained network is evaluated, one file per kind."""

from datasets.shifts.contract import ShiftEntry, Trained, shifts

__all__ = ["ShiftEntry", "Trained", "shifts"]
