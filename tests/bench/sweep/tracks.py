"""A track of a few seconds."""

from pathlib import Path

import bench.tracks

TOY = (Path(bench.tracks.__file__).parent / "toy.toml").read_text()
SETTINGS = TOY[: TOY.index("[[grid]]")].replace('splits = ["knee", "brain", "fastmri-plus"]', 'splits = ["knee"]')
GRID = """
[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["dense", "magnitude", "snip"]
timings = ["at-init", "after"]
"""


def write_track(folder, grid=GRID, changes=None):
    text = SETTINGS
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "tiny.toml"
    path.write_text(text + grid)
    return path
