"""The tracks that come with the suite, one TOML file each."""

from bench.track import load_built_in

load_built_in()
