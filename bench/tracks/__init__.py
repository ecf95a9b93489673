"""Tracks: their values, what may be set in them, and the built-in ones, a TOML file each."""
