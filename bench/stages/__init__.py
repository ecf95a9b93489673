"""Stages carried out: training, mask search, scoring, and the loop they share."""
