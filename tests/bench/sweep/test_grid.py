from collections import Counter

import pytest

from bench.sweep.cells import plan_cells, skipped_record
from bench.sweep.grid import SweepOptions, expand, matches, row_of
from bench.sweep.sharing import Queue, share
from bench.tracks.track import load_track, tracks
from records.row_name import RowName
from registries import RequestError
from tests.bench.sweep.tracks import GRID, write_track


def rows(path, *only):
    track = load_track(path)
    return [(row_of(r), r.seed) for r in expand(track, SweepOptions(str(path)), only)]


def test_a_grid_is_every_combination_and_dense_stands_once(tmp_path):
    assert rows(write_track(tmp_path)) == [
        ("modl/dense", 0),
        ("modl/magnitude/at-init/0.9", 0),
        ("modl/magnitude/after/0.9", 0),
        ("modl/snip/at-init/0.9", 0),
        ("modl/snip/after/0.9", 0),
    ]


def test_blocks_of_one_priority_take_turns_seed_by_seed_and_a_trial_stands_once(tmp_path):
    grid = """
[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["dense"]
controls = ["none", "wd"]
seeds = 1
priority = 1

[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["dense"]
seeds = 2

[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["random"]
timings = ["at-init"]
seeds = 2
"""
    found = rows(write_track(tmp_path, grid))
    random = "modl/random/at-init/0.9"
    assert found == [("modl/dense", 0), (random, 0), ("modl/dense", 1), (random, 1), ("modl/dense+wd", 0)]


def test_the_length_of_the_training_is_an_axis_and_its_rows_carry_it(tmp_path):
    """The usual length has the plain name; names of requests are those of the planned trials."""
    block = "\n[training.modl-unet]\nsteps = 6\n" + GRID.replace('["modl"]', '["modl", "modl-unet"]')
    block = block.replace('["dense", "magnitude", "snip"]', '["dense", "snip"]') + "steps = [6, 12]\n"
    path = write_track(tmp_path, block)
    requests = expand(load_track(path), SweepOptions(str(path), device="cpu"))
    assert [row_of(request) for request in requests] == [
        "modl/dense@train.steps=6",
        "modl/snip/at-init/0.9@train.steps=6",
        "modl/snip/after/0.9@train.steps=6",
        "modl/dense",
        "modl/snip/at-init/0.9",
        "modl/snip/after/0.9",
        "modl-unet/dense",
        "modl-unet/snip/at-init/0.9",
        "modl-unet/snip/after/0.9",
        "modl-unet/dense@train.steps=12",
        "modl-unet/snip/at-init/0.9@train.steps=12",
        "modl-unet/snip/after/0.9@train.steps=12",
    ]
    cells = plan_cells(requests)
    assert [cell.planned.resolved.trial.row for cell in cells] == [row_of(request) for request in requests]
    assert {cell.planned.resolved.plan.steps for cell in cells} == {6, 12}
    assert rows(path, "modl/dense") == [("modl/dense@train.steps=6", 0), ("modl/dense", 0)]


def test_a_block_may_have_settings_of_its_own(tmp_path):
    grid = GRID.replace('"magnitude", "snip"', '"snip"') + 'settings = ["init=normal-0.02"]\nsteps = [6]\n'
    path = write_track(tmp_path, grid)
    requests = expand(load_track(path), SweepOptions(str(path), device="cpu"))
    names = [f"modl/{row}@init=normal-0.02,train.steps=6" for row in ("dense", "snip/at-init/0.9", "snip/after/0.9")]
    assert [row_of(request) for request in requests] == names
    assert [cell.planned.resolved.trial.row for cell in plan_cells(requests)] == names


def test_a_trial_of_two_blocks_is_evaluated_under_the_shifts_of_either(tmp_path):
    block = '\n[[grid]]\narchitectures = ["modl"]\nsizes = ["toy"]\npruners = ["dense"]\n'
    path = write_track(
        tmp_path, f"{block}{block}shifts = true\n", {'splits = ["knee"]': 'splits = ["knee"]\nshifts = ["noise-20"]'}
    )
    track = load_track(path)
    (request,) = expand(track, SweepOptions(str(path)))
    assert request.shifts == ("noise-20",)


@pytest.mark.parametrize(
    ("pattern", "hit"),
    [
        ("modl/*/at-init", True),
        ("modl/snip/at-init/0.9", True),
        ("modl", True),
        ("mod", False),
        ("*+shuffle", False),
        ("modl-unet", False),
    ],
)
def test_patterns_match_rows_and_their_beginnings(pattern, hit):
    assert matches(RowName.parse("modl/snip/at-init/0.9"), pattern) is hit


def test_what_a_track_cannot_be_swept_for_is_said(tmp_path):
    path = write_track(tmp_path)
    with pytest.raises(RequestError, match="matches no row"):
        rows(path, "nothing/*")
    with pytest.raises(RequestError, match="has no grid"):
        rows(write_track(tmp_path, ""))
    with pytest.raises(RequestError, match="unknown key 'pruner'"):
        rows(write_track(tmp_path, GRID.replace("pruners", "pruner")))
    with pytest.raises(RequestError, match="unknown pruner 'snap'"):
        rows(write_track(tmp_path, GRID.replace('"snip"', '"snap"')))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("steps = [0]", "steps: 0 is out of range"),
        ('settings = ["init"]', "setting 'init': write NAME=VALUE"),
        ('settings = ["init=torch,train.batch=2"]', "write NAME=VALUE, without a comma"),
        ('settings = ["train.steps=6"]\nsteps = [6]', "stands beside steps"),
        ('settings = ["train.learning_rate=1e-2"]', "as in 'modl/dense@train.learning_rate=0.01'"),
        ('settings = ["init=torch"]', "as in 'modl/dense'"),
    ],
)
def test_settings_that_would_give_rows_another_name_are_refused(tmp_path, lines, message):
    with pytest.raises(RequestError) as caught:
        rows(write_track(tmp_path, GRID + lines))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "slip",
    [
        ('a = "modl/snip/at-init/0.9"', 'a = "modl/snip/at-init/0.99"'),
        ('a = "modl/snip/at-init/0.9"', 'a = "modl/snip/at-init/0.9+shufle"'),
        ('b = "modl/dense"', 'b = "modl/dense"\ntrain_on = "kneee"'),
        ('b = "modl/dense"', 'b = "modl/dense"\nacceleration = 400'),
    ],
)
def test_a_contrast_whose_row_is_not_in_the_grid_is_refused_before_anything_is_computed(tmp_path, slip):
    grid = """
[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["dense", "snip"]
timings = ["at-init"]
sparsities = ["0.9"]

[[contrasts]]
a = "modl/snip/at-init/0.9"
b = "modl/dense"
split = "knee"
"""
    assert len(rows(write_track(tmp_path, grid))) == 2
    assert len(rows(write_track(tmp_path, grid), "modl/dense")) == 1
    with pytest.raises(RequestError, match="is not in its grid"):
        rows(write_track(tmp_path, grid.replace(*slip)))


@pytest.mark.parametrize("name", [name for name in tracks.names() if tracks.get(name).contrasts])
def test_the_contrasts_of_a_built_in_track_are_between_rows_of_its_grid(name):
    """At ten seeds, which a claim needs."""
    track = tracks.get(name)
    seeds = Counter((row_of(r), r.train_on, r.acceleration) for r in expand(track, SweepOptions(name)))
    for contrast in track.contrasts:
        for row in (contrast.a, contrast.b):
            assert seeds[row, contrast.train_on, contrast.acceleration] >= 10, (row, contrast.train_on)


def planned(path, tmp_path):
    track = load_track(path)
    return track, plan_cells(expand(track, SweepOptions(str(path), device="cpu", out=str(tmp_path / "out"))))


def test_a_pair_that_does_not_exist_has_a_record_with_its_reason(tmp_path):
    track, cells = planned(write_track(tmp_path, GRID.replace('"snip"', '"rigl"')), tmp_path)
    skipped = [cell for cell in cells if cell.planned is None]
    assert [row_of(cell.request) for cell in skipped] == ["modl/rigl/at-init/0.9", "modl/rigl/after/0.9"]
    record = skipped_record(skipped[0], track)
    assert record.status == "skipped"
    assert "does not exist at timing" in record.reason
    assert len({cell.folder for cell in cells}) == len(cells)


def test_when_nothing_can_be_carried_out_the_sweep_is_wrong(tmp_path):
    grid = GRID.replace('["dense", "magnitude", "snip"]', '["rigl"]')
    with pytest.raises(RequestError, match="does not exist at timing"):
        planned(write_track(tmp_path, grid), tmp_path)


def test_stages_are_shared_between_trials(tmp_path):
    _, cells = planned(write_track(tmp_path), tmp_path)
    shared = share(cell.planned for cell in cells)
    # dense: 1; at-init: prune, train; after: train T (shared with dense), prune, fine-tune
    assert shared.stages == 1 + 2 * (2 + 3)
    assert len(shared.distinct) == 1 + 2 * (2 + 2)


def test_a_trial_waits_for_a_stage_that_another_one_computes():
    queue = Queue([("a", "b"), ("a", "c"), ("d",), ("e",)])
    assert [queue.next(), queue.next()] == [0, 2]  # 1 needs a, which 0 computes
    queue.done(0)
    assert queue.next() == 1
    queue.give_up(1)
    assert queue.next() == 3
    assert queue.empty
    assert queue.next() is None


def test_a_trial_that_was_broken_off_comes_first_again_and_known_stages_hold_up_nobody():
    queue = Queue([("a",), ("a", "b"), ("c",)])
    queue.know(["a"])
    assert [queue.next(), queue.next()] == [0, 1]
    queue.again(1)
    assert queue.next() == 1


def test_blocks_up_to_a_priority(tmp_path):
    later = (
        GRID
        + """
[[grid]]
architectures = ["modl"]
sizes = ["toy"]
pruners = ["random"]
timings = ["after"]
priority = 1
"""
    )
    path = write_track(tmp_path, later)
    track = load_track(path)
    everything, first = (expand(track, SweepOptions(str(path)), (), most) for most in (None, 0))
    assert {str(row_of(request)) for request in set(everything) - set(first)} == {"modl/random/after/0.9"}
    with pytest.raises(RequestError, match="--only modl/random --priority 0: matches no row"):
        expand(track, SweepOptions(str(path)), ["modl/random"], 0)
