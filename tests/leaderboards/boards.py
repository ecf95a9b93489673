"""Real toy records for boards: two seeds of a small grid; one cell does not exist, one failed, one is to come."""

from bench.cli.leaderboard import outline_of
from bench.sweep.cells import plan_cells, skipped_record
from bench.sweep.grid import SweepOptions, expand
from bench.tracks.track import load_track
from bench.trials.run import fail, run
from records.record import FILE
from tests.bench.sweep.tracks import write_track

GRID = """
[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["dense", "snip", "random", "rigl"]
timings = ["at-init"]
sparsities = ["0.5"]
seeds = 2
shifts = true

[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["magnitude", "pun"]
timings = ["at-init", "after"]
sparsities = ["0.5"]
priority = 1

[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["snip"]
timings = ["at-init"]
sparsities = ["0.5"]
controls = ["shuffle", "reinit"]
priority = 1

[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["dense", "snip"]
timings = ["at-init"]
sparsities = ["0.5"]
steps = [20]
priority = 1

[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["lottery"]
timings = ["at-init"]
sparsities = ["0.5"]
priority = 2

[[contrasts]]
a = "modl/snip/at-init/0.5"
b = "modl/dense"
split = "knee"

[[contrasts]]
a = "modl/snip/at-init/0.5@train.steps=20"
b = "modl/dense@train.steps=20"
split = "knee"

[[contrasts]]
a = "modl/lottery/at-init/0.5"
b = "modl/dense"
split = "knee"
"""
LONG = "@train.steps=20"
FAILED = "modl/magnitude/after/0.5"


def make_records(folder):
    """Run the grid; gives the track's path and the folder of the records."""
    splits = 'splits = ["knee", "brain", "fastmri-plus"]\nshifts = ["noise-20"]'
    path = write_track(folder, GRID, {'splits = ["knee"]': splits})
    track, out = load_track(path), folder / "results"
    cells = plan_cells(expand(track, SweepOptions(str(path), device="cpu", out=str(out))))
    for cell in cells:
        if cell.planned is None:
            skipped_record(cell, track).write(cell.folder / FILE)
        elif cell.planned.resolved.trial.row == FAILED:
            fail(cell.planned, "on purpose")
        elif cell.request.pruner != "lottery":  # not yet run
            run(cell.planned, False, lambda line: None)
    return path, out


def outline(path):
    return outline_of(load_track(path), str(path))
