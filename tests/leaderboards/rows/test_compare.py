"""Comparing rows: planted effects, bad requests, the command itself."""

import re
import time
from dataclasses import replace

import numpy as np
import pytest

from bench.cli import main
from bench.evaluation import scoring
from bench.tracks.track import tracks
from bench.trials.run import run
from datasets.simulated import Simulation, simulate
from leaderboards.board.contrasts import answer
from leaderboards.rows.compare import compare, confirmed, paired_by_weights
from leaderboards.rows.reference_tables import against
from leaderboards.rows.rows import Condition, Row, read_records, row_of, shared_conditions
from leaderboards.rows.soundness import unsound
from records.grid import Contrast
from records.record import FILE, Record
from records.row_name import RowName
from registries import RequestError
from tests.bench.toy import toy_plan
from tests.records.contents import with_means, with_sparsity

SEEDS, PATIENTS = 10, 24
CONTRASTS = ("AXT1", "AXT2", "AXFLAIR")
SNIP, DENSE = RowName.parse("modl/snip/at-init/0.9"), RowName.parse("modl/dense")


@pytest.fixture(scope="module")
def template(tmp_path_factory, cache_root):
    """A real record of the toy, to be filled with scores made here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        return run(toy_plan(tmp_path_factory.mktemp("out"), pruner="dense"), False, lambda line: None)


def make(template, seed, pruner, effect=0.0, only=None, scaled_effect=None, patients=PATIENTS, above_cg_sense=1.0):
    """A record of crossed scores; the effect is planted in one contrast, or everywhere."""
    content = template.to_json()
    content["trial"] |= {"pruner": pruner, "seed": seed}
    if pruner != "dense":
        content["trial"] |= {"timing": "at-init", "sparsity": "0.9"}
        content = with_sparsity(content, "0.9")
    draw = np.random.default_rng([seed, *pruner.encode()])
    model = content["volumes"][0]
    rows = []
    for patient in range(patients):
        contrast = CONTRASTS[patient % 3]
        here = effect if only in (None, contrast) else 0.0
        score = 30 + 0.2 * np.random.default_rng(patient).normal() + 0.05 * draw.normal() + here
        scaled = score if scaled_effect is None else score - here + scaled_effect
        for shift in (None, f"contrast-{contrast[2:].lower()}"):
            names = {"split": "brain", "shift": shift, "volume": f"v{patient}", "patient": f"p{patient}"}
            rows.append({**model, **names, "acquisition": contrast, "psnr": score, "psnr_scaled": scaled})
    content = with_means({**content, "volumes": rows})
    content["baselines"]["cg_sense"]["brain"]["psnr"] = content["metrics"]["brain"]["psnr"] - above_cg_sense
    return Record.of(content)


def rows(template, **changes) -> tuple[Row, Row]:
    records = [make(template, seed, "dense") for seed in range(SEEDS)]
    records += [make(template, seed, "snip", **changes) for seed in range(SEEDS)]
    return row_of(records, SNIP, "here"), row_of(records, DENSE, "here")


def test_a_planted_effect_is_found_by_the_right_shift_and_only_there(template):
    found = {str(one.condition): one for one in compare(*rows(template, effect=-1.0, only="AXT2"), "psnr")}
    for name, one in found.items():
        low, high = (float(end) for end in one.estimate.interval())
        if name == "brain · contrast-t2":
            assert high < -0.9
            assert one.estimate.patients == 8
        elif name.startswith("brain · "):
            assert low < 0 < high
            assert one.estimate.patients == 8
    assert set(found) == {"brain", "brain · contrast-t1", "brain · contrast-t2", "brain · contrast-flair"}


def test_rows_that_are_the_same_are_never_separated(template):
    records = [make(template, seed, "dense") for seed in range(SEEDS)]
    dense = row_of(records, DENSE, "here")
    for one in compare(dense, dense, "psnr"):
        low, high = (float(end) for end in one.estimate.interval())
        assert low == high == 0
    assert all(claim is False for _, claim in confirmed(compare(dense, dense, "psnr")))


def test_few_seeds_confirm_nothing(template):
    records = [make(template, seed, p, effect=-1.0) for seed in range(9) for p in ("dense", "snip")]
    records = [make(template, seed, "dense") for seed in range(9)] + [r for r in records if r.trial.pruner == "snip"]
    a, b = (row_of(records, name, "here") for name in (SNIP, DENSE))
    assert {claim for _, claim in confirmed(compare(a, b, "psnr"))} == {None}


def test_the_richer_of_two_evaluations_of_one_trial_counts(template):
    rich = make(template, 0, "dense")
    poor = rich.to_json()
    poor["volumes"] = [row for row in poor["volumes"] if row["shift"] is None]
    poor["shifts"] = {}
    for order in ([rich, Record.of(poor)], [Record.of(poor), rich]):
        assert row_of(order, DENSE, "here").records[0] == rich


def test_one_trial_without_a_shift_does_not_hide_it_silently(template):
    records = [make(template, seed, p) for seed in range(3) for p in ("dense", "snip")]
    content = records[1].to_json()
    content["volumes"] = [row for row in content["volumes"] if row["shift"] != "contrast-t2"]
    records[1] = Record.of(with_means(content))
    a, b = (row_of(records, name, "here") for name in (SNIP, DENSE))
    shared, dropped = shared_conditions(a, b, "psnr")
    assert Condition("brain", "contrast-t2") in dropped
    assert Condition("brain", "contrast-t1") in shared


def test_rows_of_other_weights_say_so():
    snip, wd, small, dense, other = (
        RowName.parse(text)
        for text in ("modl/snip/at-init/0.9", "modl/dense+wd", "modl/dense+small-0.97", "modl/dense", "modl-unet/dense")
    )
    assert paired_by_weights(snip, wd)
    assert not paired_by_weights(small, dense)
    assert not paired_by_weights(dense, other)


def test_hundreds_of_patients_and_ten_shifts_are_fast(template):
    """A tenth of 500 rows, in a tenth of the time."""
    base = make(template, 0, "dense", patients=200)
    content = base.to_json()
    usual = [row for row in content["volumes"] if row["shift"] is None]
    content["volumes"] = [{**row, "shift": shift} for shift in (None, *map(str, range(10))) for row in usual]
    record = Record.of(with_means(content))
    rows = [Row(record.row, {0: record}) for _ in range(50)]
    begun = time.monotonic()
    for row in rows:
        compare(row, rows[0], "psnr")
    assert time.monotonic() - begun < 20  # for a busy machine


def test_confirmed_contrasts_are_corrected_together(template):
    found = confirmed(
        compare(
            *rows(template, effect=-1.0, only="AXT2"),
            "psnr",
            [Condition("brain", "contrast-t2"), Condition("brain", "contrast-t1")],
        )
    )
    assert [claim for _, claim in found] == [True, False]


def test_a_change_of_brightness_is_marked(template):
    flipped = compare(*rows(template, effect=0.5, scaled_effect=-0.5), "psnr")
    plain = compare(*rows(template, effect=0.5), "psnr")
    assert all(one.flips for one in flipped)
    assert not any(one.flips for one in plain)


def test_seeds_that_only_one_row_has_are_counted(template):
    records = [make(template, seed, "dense") for seed in range(5)] + [make(template, seed, "snip") for seed in range(3)]
    a, b = (row_of(records, name, "here") for name in (SNIP, DENSE))
    (one, *_) = compare(a, b, "psnr")
    assert (one.estimate.seeds, one.unpaired_seeds) == (3, 2)
    assert "conditional" in one.estimate.wording


def test_rows_that_cannot_be_paired_are_refused(template):
    dense = [make(template, seed, "dense") for seed in range(2)]
    fewer = [make(template, seed, "snip", patients=PATIENTS - 3) for seed in range(2)]
    other_seeds = [make(template, seed, "snip") for seed in (7, 8)]

    def pair(others) -> tuple[Row, Row]:
        return row_of([*dense, *others], SNIP, "here"), row_of([*dense, *others], DENSE, "here")

    with pytest.raises(RequestError, match="unequal patients"):
        compare(*pair(fewer), "psnr")
    with pytest.raises(RequestError, match="no seed in common"):
        compare(*pair(other_seeds), "psnr")
    with pytest.raises(RequestError, match="was not evaluated on knee"):
        compare(*pair([make(template, s, "snip") for s in range(2)]), "psnr", [Condition("knee")])
    with pytest.raises(RequestError, match="twice"):
        row_of([*dense, make(template, 0, "dense", effect=1.0)], DENSE, "here")
    content = dense[0].to_json()
    content["trial"]["size"] = "demo"
    with pytest.raises(RequestError, match="here has it with size toy / demo"):
        row_of([*dense, Record.of(content)], DENSE, "here")


def test_rows_of_edited_sources_are_not_paired_with_those_of_a_commit(template):
    dense = [make(template, seed, "dense") for seed in range(2)]
    contents = [make(template, seed, "snip").to_json() for seed in range(2)]
    for content in contents:
        content["provenance"].update(dirty=True, sources="another")
    records = [*dense, *map(Record.of, contents)]
    with pytest.raises(RequestError, match="cannot be paired: edits of the suite's sources another / "):
        compare(row_of(records, SNIP, "here"), row_of(records, DENSE, "here"), "psnr")


@pytest.fixture
def folder(template, tmp_path):
    for seed in range(3):
        for pruner in ("dense", "snip"):
            target = tmp_path / "results" / f"{pruner}-{seed}"
            target.mkdir(parents=True)
            make(template, seed, pruner, effect=-0.4).write(target / FILE)
    return tmp_path / "results"


def test_a_trial_that_two_folders_hold_with_other_results_is_named_with_both(folder, template):
    make(template, 1, "snip", effect=3.0).write(folder.parent / "elsewhere" / "again" / FILE)
    read_records(folder)
    with pytest.raises(RequestError, match=r"snip/at-init/0\.9, seed 1: .*results/.* and .*elsewhere/again hold"):
        read_records(folder, folder.parent / "elsewhere")


def test_the_command_prints_a_table_and_draws_a_forest_plot(folder, capsys):
    code = main(["compare", str(folder), "--a", "modl/snip/at-init/0.9", "--b", "modl/dense"])
    out = capsys.readouterr().out
    assert code == 0
    assert "conditional on these trained networks" in out
    assert "brain · contrast-flair" in out
    assert (folder / "compare.png").stat().st_size > 10_000
    assert len(read_records(folder)) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--a", "modl/snip/at-init/0.9", "--b", "modl/nothing"], "is not in"),
        (["--a", "modl/snip/at-init/0.9"], "name two rows"),
        (["--a", "modl/dense", "--b", "modl/dense", "--metric", "beauty"], "--metric beauty"),
        (["--a", "modl/dense", "--b", "modl/dense", "--plot", "x.foo"], "--plot x.foo"),
        (["--track", "toy", "--a", "modl/dense"], "drop --a and --b"),
        (["--track", "toy"], "no confirmatory contrasts"),
        (["--track", "nothing"], "unknown track"),
    ],
)
def test_bad_requests_end_in_one_line(folder, capsys, arguments, message):
    code = main(["compare", str(folder), *arguments])
    err = capsys.readouterr().err
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_folder_without_records_is_named(tmp_path, capsys):
    assert main(["compare", str(tmp_path), "--a", "x", "--b", "y"]) == 2
    assert "holds no record.json" in capsys.readouterr().err


def test_confirmatory_contrasts_of_a_track(folder, capsys, override):
    toy = tracks.get("toy")

    def declare(*contrasts):
        override(tracks, replace(toy, contrasts=contrasts))

    declare(Contrast("modl/snip/at-init/0.9", "modl/dense", "brain", "contrast-t2"))
    assert main(["compare", str(folder), "--track", "toy"]) == 0
    out = capsys.readouterr().out
    assert "too few seeds" in out
    assert "brain · contrast-t2" in out
    declare(Contrast("modl/pun/at-init/0.9", "modl/dense", "brain"))
    assert main(["compare", str(folder), "--track", "toy"]) == 2
    captured = capsys.readouterr()
    assert "not there yet: modl/pun/at-init/0.9 − modl/dense, brain" in captured.out
    assert "answers no contrast" in captured.err


@pytest.mark.parametrize(("failed", "verdict"), [(2, "different"), (3, "withdrawn")])
def test_a_contrast_stands_without_the_searches_that_failed_up_to_a_fifth_of_them(
    template, tmp_path, capsys, override, failed, verdict
):
    """What failed is 50 dB better here, so that an effect that holds any of it shows."""
    pun, dense = "modl/pun/at-init/0.9", "modl/dense"
    toy = tracks.get("toy")
    contrasts = tuple(Contrast(pun, dense, "brain", f"contrast-{name}") for name in ("t1", "t2"))
    override(tracks, replace(toy, contrasts=contrasts))
    for seed in range(SEEDS):
        make(template, seed, "dense").write(tmp_path / f"dense{seed}" / FILE)
        effect = 50.0 if seed < failed else -1.0
        searched(template, seed, seed < failed, effect).write(tmp_path / f"pun{seed}" / FILE)
    code = main(["compare", str(tmp_path), "--track", "toy"])
    captured = capsys.readouterr()
    if verdict == "withdrawn":
        assert (code, "answers no contrast" in captured.err) == (2, True)
        assert captured.out.count(f"(too many seeds of {pun} are left out)") == 2
    else:
        assert code == 0
        assert f"{pun}: search failed in 2 of 10 seeds, left out" in captured.out
        assert "only one of" not in captured.out
        lines = [line for line in captured.out.splitlines() if line.startswith(f"{pun} − {dense}")]
        assert [line.split()[-1] for line in lines] == [verdict] * 2
        assert all(re.search(r" -1\.0\d\d | -0\.9\d\d ", line) for line in lines)
    assert main(["compare", str(tmp_path), "--a", pun, "--b", dense]) == 0
    assert f"search failed in {failed} of 10 seeds, which say nothing about" in capsys.readouterr().out
    assert main(["compare", str(tmp_path), "--against", "dense"]) == 0
    assert f"search failed in {failed} of 10 seeds, which say nothing about" in capsys.readouterr().out


@pytest.mark.parametrize(("train_on", "judged"), [("knee", False), ("brain", True)])
def test_where_dense_does_not_reach_cg_sense_nothing_is_said_about_generalization(template, train_on, judged):
    """On the brain: out of distribution for networks of knees, in distribution for those of brains."""
    records = []
    for seed in range(SEEDS):
        for pruner in ("dense", "snip"):
            content = make(template, seed, pruner, above_cg_sense=-0.5).to_json()
            content["trial"] = {**content["trial"], "train_on": train_on}
            records.append(Record.of(content))
    question = Contrast("modl/snip/at-init/0.9", "modl/dense", "brain", "none", "psnr", train_on, 4)
    found = answer([question], records, "toy")
    assert (len(found.found), len(found.withdrawn)) == ((1, 0) if judged else (0, 1))
    if not judged:
        assert "modl/dense is below CG-SENSE on brain" in found.withdrawn[0]


def with_settings(record, budget=None, options=None, **settings):
    """The record of a trial with ``--set`` settings of training or pruner."""
    content = record.to_json()
    names = {name.replace("__", "."): value for name, value in settings.items()}
    content["trial"]["settings"] = names
    content["trial"]["options"] |= options or {}
    for name, value in names.items():
        if name.startswith("train."):
            content["trial"]["resolved"]["training"][name.removeprefix("train.")] = value
    if budget is not None:
        content["trial"]["resolved"]["budget"] = budget
    return Record.of(content)


def test_options_of_the_pruner_pair_and_settings_of_the_training_do_not(template):
    seeds = range(3)
    dense = [make(template, seed, "dense") for seed in seeds]
    fewer = [with_settings(make(template, s, "snip"), options={"batches": 1}, pruner__batches=1) for s in seeds]
    longer = [with_settings(make(template, s, "snip"), budget=200, train__steps=200) for s in seeds]
    decayed = [with_settings(make(template, s, "dense"), train__weight_decay=0.5) for s in seeds]
    everything = [*dense, *fewer, *longer, *decayed]
    rows = {
        name: row_of(everything, RowName.parse(name), "here")
        for name in (
            "modl/dense",
            "modl/snip/at-init/0.9@pruner.batches=1",
            "modl/snip/at-init/0.9@train.steps=200",
            "modl/dense@train.weight_decay=0.5",
        )
    }
    plain, batches, steps, decay = rows.values()
    assert compare(batches, plain, "psnr")
    with pytest.raises(RequestError, match=r"cannot be paired: train\.steps 200 / 12$"):
        compare(steps, plain, "psnr")
    with pytest.raises(RequestError, match=r"cannot be paired: train\.weight_decay 0\.5 / 0\.0$"):
        compare(decay, plain, "psnr")


def test_rows_that_do_not_fit_beside_a_reference_are_named_with_what_differs(template):
    seeds = range(2)
    records = [make(template, seed, "dense") for seed in seeds]
    records += [with_settings(make(template, seed, "snip"), budget=200, train__steps=200) for seed in seeds]
    records += [with_settings(make(template, s, "snip"), options={"batches": 1}, pruner__batches=1) for s in seeds]
    tables_ = list(against(records, ["dense", "snip"], "psnr", "here"))
    remarks = [remark for table in tables_ for remark in table.remarks]
    wanted = "modl/snip/at-init/0.9@train.steps=200: left out beside modl/dense: train.steps 200 / 12"
    assert wanted in remarks
    cells = {row[0]: row for table in tables_ for row in table.cells if row[0].startswith("modl")}
    assert cells["modl/snip/at-init/0.9@pruner.batches=1"][3] != ""  # beside dense
    assert cells["modl/snip/at-init/0.9@pruner.batches=1"][4] == ""  # a variant is not the plain snip


def searched(template, seed, failed, effect=0.0, **trial):
    content = make(template, seed, "pun", effect=effect).to_json()
    losses = ("soft_loss", "hard_loss", "random_loss", "lowest_random_loss", "unpruned_loss", "divergence")
    content["mask"] = {**content["mask"], "search": {**dict.fromkeys(losses, 0.1), "failed": failed}}
    content["trial"] = {**content["trial"], **trial}
    return Record.of(content)


def test_searches_of_another_training_set_or_size_do_not_count_here(template):
    """Three of ten failed elsewhere, one here."""
    question = Contrast("modl/pun/at-init/0.9", "modl/dense", "brain", "none", "psnr", "knee", 4)
    own = [make(template, seed, "dense") for seed in range(SEEDS)]
    own += [searched(template, seed, failed=seed == 0) for seed in range(SEEDS)]
    others = [searched(template, seed, failed=seed < 3, train_on="knee-6") for seed in range(SEEDS)]
    others += [searched(template, seed, failed=seed < 3, size="demo") for seed in range(3 * SEEDS)]
    found = answer([question], [*others, *own], "toy")
    assert found.notes == ("modl/pun/at-init/0.9: search failed in 1 of 10 seeds, left out",)
    (one,) = found.found
    assert (one.estimate.seeds, one.unsound_seeds, one.unpaired_seeds) == (9, 1, 0)
    without = answer([question], [record for record in own if record.trial.pruner != "dense"], "toy")
    assert (without.found, len(without.missing)) == ((), 1)


@pytest.mark.parametrize(
    ("cut", "verdict"),
    [(["denoiser"], "disconnected"), (["sens_net"], None), (["denoisers.0"], None), ([], None)],
)
def test_a_mask_cuts_a_network_where_it_cuts_every_denoiser(template, cut, verdict):
    content = template.to_json()
    names = ["denoiser.0.weight"] if cut == ["denoiser"] else ["denoisers.0.weight", "denoisers.1.weight"]
    layers = [{"name": name, "group": "denoiser", "kept": 2, "total": 2} for name in names]
    layers.append({"name": "sens_net.weight", "group": "sensitivity", "kept": 2, "total": 2})
    total = 2 * len(layers)
    counts = {"kept": total, "prunable": total, "parameters": total, "achieved": 0.0, "compression": 1.0}
    content["mask"] = {**content["mask"], **counts, "layers": layers, "disconnected": cut}
    assert unsound(Record.of(content)) == verdict


def test_a_network_that_fails_on_one_contrast_is_found_from_file_to_comparison(tmp_path, monkeypatch, override):
    """Through shifts, records and comparison; the failure is planted where the network meets the volume."""
    root = tmp_path / "root"
    simulate(root, Simulation(2, 1, 0, 6, slices=1, matrix=32, coils=3, seed=1))
    shifts = ("contrast-t1", "contrast-t2", "contrast-flair", "noise-20")
    load = scoring.slices_of

    def spoiled(volume, data):
        for few in load(volume, data):
            factor = 0.5 if volume.acquisition == "AXT2" else 1.0
            yield replace(few, samples=replace(few.samples, kspace=factor * few.samples.kspace))

    found = []
    for name, patched in (("good", load), ("bad", spoiled)):
        monkeypatch.setattr("bench.evaluation.scoring.slices_of", patched)
        planned = toy_plan(tmp_path / name, pruner="dense", data=str(root), shifts=shifts)
        track = replace(planned.resolved.track, evaluation=replace(planned.resolved.track.evaluation, volumes=0))
        override(tracks, track)
        planned = toy_plan(tmp_path / name, pruner="dense", data=str(root), shifts=shifts)
        found.append(row_of([run(planned, False, lambda line: None)], DENSE, name))
    good, bad = found
    changes = {str(one.condition): float(one.estimate.mean) for one in compare(good, bad, "psnr")}
    assert changes["brain · contrast-t2"] > 1
    assert changes["brain · noise-20"] != 0
    others = [change for name, change in changes.items() if name.endswith(("-t1", "-flair")) or name.startswith("knee")]
    assert len(others) >= 3
    assert all(change == 0 for change in others)
