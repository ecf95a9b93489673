"""The table at the end of a sweep: order, counts, means, changes against dense."""

import copy

import pytest

from bench.trials.run import run
from leaderboards.rows.grid_table import RowKey, grid_tables, rows_in_order
from records.record import Record
from records.row_name import RowName
from records.setting import CellKey
from tests.bench.toy import toy_plan
from tests.records.contents import with_means

DENSE, SNIP = RowName("modl", "dense"), RowName("modl", "snip", "at-init", "0.5")


@pytest.fixture(scope="module")
def records(tmp_path_factory, cache_root):
    folder = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        plans = {DENSE: toy_plan(folder, pruner="dense"), SNIP: toy_plan(folder, sparsity="0.5")}
        return {name: run(planned, False, lambda line: None).to_json() for name, planned in plans.items()}


def of_seed(content, seed, psnr):
    """The record of another seed, with this PSNR for every patient but a little."""
    changed = copy.deepcopy(content)
    changed["trial"]["seed"] = seed
    for place, row in enumerate(changed["volumes"]):
        row["psnr"] = row["psnr_scaled"] = psnr + 0.01 * seed * (place % 2)
    return Record.of({**with_means(changed), "baselines": changed["baselines"]})


def cell(row, seed, train_on="knee"):
    return CellKey(row, "toy", train_on, 4, seed)


def tables(cells, records=()):
    rows = rows_in_order([one for one, _ in cells], [outcome for _, outcome in cells])
    whole = {key: row.with_records(r for r in records if r.row == key.row) for key, row in rows.items()}
    return list(grid_tables(list(whole.values()), whole))


def test_rows_stand_in_the_order_of_the_grid_with_what_became_of_their_seeds():
    cells = [(cell(SNIP, 0), "ok"), (cell(DENSE, 0), "failed"), (cell(SNIP, 1), "pending"), (cell(SNIP, 2), "failed")]
    cells += [(cell(DENSE, 1), "recorded"), (cell(DENSE, 0, "brain"), "skipped")]
    knee, brain = tables(cells)
    assert knee.title.startswith("size toy, trained on knee, 4×")
    assert brain.title.startswith("size toy, trained on brain, 4×")
    assert knee.cells[1:] == [[SNIP, "1 done, 1 failed, 1 pending"], [DENSE, "1 failed, 1 elsewhere"]]
    assert brain.cells[1:] == [[DENSE, "1 n/a"]]


def test_scores_are_means_over_seeds_and_changes_are_paired(records):
    cells = [(cell(row, seed), "ok") for seed in range(2) for row in (DENSE, SNIP)]
    found = [of_seed(records[DENSE], seed, 30.0 + seed) for seed in range(2)]
    found += [of_seed(records[SNIP], seed, 30.5 + seed) for seed in range(2)]
    (table,) = tables(cells, found)
    head, dense, snip = table.cells
    assert head == ["row", "seeds", "knee", "− dense", "brain", "− dense", "fastmri-plus", "− dense"]
    assert dense[2:4] == ["30.50", ""]
    assert snip[2:4] == ["31.00", "+0.50 ± 0.00"]
    assert table.remarks == ("fewer than ten seeds: intervals are conditional on these trained networks",)


def test_rows_without_dense_or_of_another_setting_show_no_change(records):
    snip = of_seed(records[SNIP], 0, 30.5)
    (table,) = tables([(cell(SNIP, 0), "ok")], [snip])
    assert table.cells[1][2:4] == ["30.50", ""]
    other = copy.deepcopy(records[DENSE])
    other["provenance"]["numerics"]["device"] = "cuda"
    (table,) = tables([(cell(DENSE, 0), "ok"), (cell(SNIP, 0), "ok")], [of_seed(other, 0, 30.0), snip])
    assert table.cells[2][2:4] == ["30.50", ""]
    assert table.remarks[0].startswith(f"not compared with dense: row {SNIP}: numerics.device")


def test_the_dense_row_of_a_key_is_of_its_own_conditions():
    row = RowName("modl", "snip", "at-init", "0.5", settings=(("pruner.batches", "1"), ("train.steps", "8")))
    assert RowKey.of(cell(row, 0)).dense.row == "modl/dense@train.steps=8"
