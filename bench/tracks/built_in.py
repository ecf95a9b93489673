"""Registers the tracks that come with the suite."""

from bench.tracks.track import load_built_in

load_built_in()
