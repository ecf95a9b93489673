"""Sweeps: all trials of a track, each stage once, on one machine or a Ray cluster."""
