"""Scores of a network on test volumes, under shifts, and beside baselines."""
