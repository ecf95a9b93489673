"""Simulated knees and brains in fastMRI's layout: the data for everyone without the fastMRI agreement."""

from datasets.simulated.generate import GENERATOR_VERSION, Simulation, embedded_root, identity_of_simulation, simulate

__all__ = ["GENERATOR_VERSION", "Simulation", "embedded_root", "identity_of_simulation", "simulate"]
