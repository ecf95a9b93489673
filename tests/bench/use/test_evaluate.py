"""Scores of trained networks on other data: records of their own, comparable, and never on a board."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import safetensors.torch
import torch

from architectures import build
from bench.cli import main
from bench.networks.weights import described, write_weights
from bench.use.data import Conditions, OpenRoot
from bench.use.evaluate import evaluate
from bench.use.network import TrainedNetwork
from leaderboards.rows.rows import read_records
from records.elsewhere import FILE
from records.record import Record
from records.setting import apart_in_pair, tables
from registries import Identity, RequestError

CPU = torch.device("cpu")
FIGURES = {
    "knee/multicoil_train/knee_3dfse_a.h5": ("30.470", "0.7700", "0.05008"),
    "knee/multicoil_val/knee_3dfse_b.h5": ("31.283", "0.8059", "0.05071"),
    "brain/multicoil_val/brain_t2_4coil.h5": ("24.508", "0.6923", "0.08123"),
}
"""Zero-filled PSNR, SSIM and NMSE by fastMRI's own functions, as they lie beside the real volumes."""


def as_real(root, folder):
    """The same volumes, which nobody calls simulated any more."""
    return shutil.copytree(root, folder / "real", ignore=shutil.ignore_patterns("simulation.json", "*.json"))


def scored(folder, out, fresh=False, **conditions):
    network = TrainedNetwork.of(folder, CPU)
    return evaluate(network, OpenRoot(Conditions(**conditions)).choose(network), out, fresh, print)


def test_on_its_own_data_a_network_has_the_scores_of_its_trial(dense, tmp_path):
    found, trial = scored(dense, tmp_path).record, Record.read(dense / "record.json")
    assert found.metrics == trial.metrics
    assert found.baselines == trial.baselines
    assert found.volumes == tuple(one for one in trial.volumes if one.shift is None)
    assert found.mask == trial.mask
    assert found.elsewhere.kind == "simulated"
    assert Record.read(next(tmp_path.glob(f"*/{FILE}"))) == found


def test_shifts_and_acceleration_are_those_asked_for(dense, tmp_path):
    trial = Record.read(dense / "record.json")
    shifts = tuple(dict.fromkeys(one.shift for one in trial.volumes if one.shift))
    found = scored(dense, tmp_path, shifts=("noise-20", *shifts)).record
    assert {one.shift for one in found.volumes} == {None, "noise-20", *shifts}
    faster = scored(dense, tmp_path, acceleration=8).record
    assert faster.elsewhere.preparation.undersampling["acceleration"] == 8
    assert faster.trial.acceleration == 4
    assert faster.metrics["knee"].psnr < found.metrics["knee"].psnr


def test_other_data_are_named_scored_and_never_trained_on(dense, simulated_root, tmp_path):
    found = scored(dense, tmp_path, data=str(simulated_root)).record
    assert {one.volume.split("/")[1] for one in found.volumes} == {"multicoil_val"}
    real = as_real(simulated_root, tmp_path)
    more = scored(dense, tmp_path, data=str(real), include_train=True).record
    assert len(more.volumes) > len(found.volumes)
    assert more.elsewhere.kind == "real"
    assert more.elsewhere.folders == ("multicoil_train", "multicoil_val")
    assert more.provenance.data.identity == Record.read(dense / "record.json").provenance.data.identity
    for data in (None, str(simulated_root)):  # patients of one simulation recur in others
        with pytest.raises(RequestError, match="--include-train: modl/dense was trained on simulated data"):
            scored(dense, tmp_path, data=data, include_train=True)


def test_each_network_has_its_own_splits_whatever_came_before(dense, snip, simulated_root, tmp_path):
    """Folders are looked into for the splits of each."""
    record = Record.read(snip / "record.json").to_json()
    record["trial"]["resolved"]["evaluation"]["splits"] = ["knee"]
    knees = shutil.copytree(snip, tmp_path / "knees")
    for name in ("volumes", "metrics", "shifts"):
        values = record[name]
        record[name] = (
            [one for one in values if one["split"] == "knee"] if name == "volumes" else {"knee": values.get("knee", {})}
        )
    (knees / "record.json").write_text(json.dumps(record))
    opened = OpenRoot(Conditions(data=str(simulated_root)))
    for folder, splits in ((knees, {"knee"}), (dense, {"knee", "brain", "fastmri-plus"})):
        data = opened.choose(TrainedNetwork.of(folder, CPU))
        assert set(data.test.splits) == splits


def test_a_network_of_real_data_is_not_scored_on_simulated_ones_by_default(dense, simulated_root, tmp_path, capsys):
    real = as_real(simulated_root, tmp_path)
    command = ["run", "--arch", "modl", "--pruner", "random", "--size", "toy", "--device", "cpu", "--quiet"]
    assert main([*command, "--data", str(real), "--out", str(tmp_path / "results")]) == 0
    assert main(["evaluate", str(tmp_path / "results"), "--device", "cpu", "--out", str(tmp_path)]) == 2
    assert "name those to score it on by --data ROOT" in capsys.readouterr().err


def test_what_the_scores_depend_on_is_looked_at_before_an_evaluation_is_found_again(dense, tmp_path, monkeypatch):
    first = scored(dense, tmp_path)
    monkeypatch.setattr("bench.evaluation.baselines.VERSION", 99)
    other = scored(dense, tmp_path)
    assert not other.reused
    assert other.folder != first.folder


def test_baselines_of_the_data_are_computed_once_for_networks_of_all_architectures(dense, snip, tmp_path, monkeypatch):
    first = scored(dense, tmp_path).record

    def computed(samples):
        raise AssertionError("the oracle was computed again")

    monkeypatch.setattr("bench.evaluation.baselines.oracle_image", computed)
    other = SimpleNamespace(get=lambda name: SimpleNamespace(identity=Identity("another", 1, "built-in")))
    monkeypatch.setattr("bench.use.evaluate.architectures", other)
    assert scored(snip, tmp_path).record.baselines == first.baselines
    with pytest.raises(AssertionError, match="the oracle was computed again"):
        scored(snip, tmp_path, fresh=True)


def test_weights_of_another_network_are_refused_in_the_folder_of_a_trial(trained, dense, tmp_path):
    """The same row, size and seed, trained on something else; a dense mask is the same everywhere."""
    folder = shutil.copytree(dense, tmp_path / "one")
    about = described(folder / "weights.safetensors")
    assert about is not None
    state = safetensors.torch.load_file(folder / "weights.safetensors")
    write_weights(folder / "weights.safetensors", state, replace(about, train_on="brain"))
    with pytest.raises(RequestError, match="those of another trial"):
        TrainedNetwork.of(folder, CPU)


def test_an_evaluation_is_found_again_and_computed_anew_to_the_same(dense, tmp_path, simulated_root, capsys):
    first = scored(dense, tmp_path, data=str(simulated_root))
    again = scored(dense, tmp_path, data=str(simulated_root))
    anew = scored(dense, tmp_path, data=str(simulated_root), fresh=True)
    assert (first.reused, again.reused, anew.reused) == (False, True, False)
    assert first.folder == again.folder == anew.folder
    assert first.record.canonical() == again.record.canonical() == anew.record.canonical()


def test_rows_are_compared_on_the_same_data_alone_and_boards_see_none(trained, dense, snip, simulated_root, tmp_path):
    a, b = (scored(folder, tmp_path, data=str(simulated_root)).record for folder in (snip, dense))
    other = scored(dense, tmp_path, acceleration=8).record
    assert apart_in_pair(a, b) == ()
    assert any("elsewhere" in words for words in apart_in_pair(a, other))
    trial = Record.read(dense / "record.json")
    assert len(tables([a, b, other, trial])) == 3
    with pytest.raises(RequestError, match=r"holds no record\.json"):
        read_records(tmp_path)
    assert len(read_records(tmp_path, evaluations=True)) == 3


def test_the_command_prints_scores_and_the_change_against_dense(trained, simulated_root, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.chdir(tmp_path)
    command = ["evaluate", str(trained), "--data", str(simulated_root), "--against", "dense", "--device", "cpu"]
    assert main([*command, "--quiet"]) == 0
    text = capsys.readouterr().out
    assert text.count("this network") >= 4
    assert "evaluated on simulated data" in text
    assert "− dense (95 % interval)" in text
    assert main(["compare", "evaluations", "--a", "modl/snip/at-init/0.9", "--b", "modl/dense"]) == 0
    assert main(["compare", "evaluations", "--against", "dense", "--evaluated-on", "simulated"]) == 0
    assert main(["compare", "evaluations", "--against", "dense", "--evaluated-on", "real"]) == 2
    assert main(["show", "evaluations"]) == 0
    assert "evaluated on simulated data" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: does not exist"),
        (["TRIAL", "--data", "nowhere"], "no such data folder"),
        (["TRIAL", "--splits", "moon"], "moon"),
        (["TRIAL", "--shifts", "moon"], "moon"),
        (["TRIAL", "--acceleration", "900"], "leaves no calibration line"),
        (["TRIAL", "--against", "moon"], "none of the networks is of that pruner; there are dense"),
        (["weights.pt", "--arch", "modl", "--size", "toy"], "weights.pt: does not exist"),
        (["notes.txt"], "is not a record; name the folder of a finished trial"),
    ],
)
def test_bad_requests_end_in_one_line(words, message, dense, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("text")
    assert main(["evaluate", *(str(dense) if word == "TRIAL" else word for word in words), "--device", "cpu"]) == 2
    *_, line = capsys.readouterr().err.splitlines()  # after progress
    assert message in line


def test_the_figures_of_the_real_volumes_come_out_to_the_last_digit(dense, real_kspace, tmp_path):
    found = scored(dense, tmp_path, data=str(real_kspace), include_train=True)
    table = found.volumes[found.volumes["method"] == "zero_filled"].set_index("volume")
    for volume, figures in FIGURES.items():
        row = table.loc[volume]
        assert (f"{row.psnr:.3f}", f"{row.ssim:.4f}", f"{row.nmse:.5f}") == figures
    assert found.record.elsewhere.kind == "real"
    assert pd.notna(found.volumes["psnr"]).all()


@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_alone_are_scored_and_compared_as_the_trial_is(prefix, snip, simulated_root, tmp_path, capsys):
    """The file of a trial describes itself, also away from its record; others are named by --arch and --size."""
    trial = scored(snip, tmp_path / "a", data=str(simulated_root)).record
    own = tmp_path / "mine.safetensors"
    shutil.copy(snip / "weights.safetensors", own)
    foreign = tmp_path / "theirs.pt"
    state = safetensors.torch.load_file(own)
    torch.save({"state_dict": {f"{prefix}{name}": value.half() for name, value in state.items()}}, foreign)
    base = ["--data", str(simulated_root), "--device", "cpu", "--quiet", "--out", str(tmp_path / "b")]
    assert main(["evaluate", str(own), *base]) == 0
    assert main(["evaluate", str(foreign), "--arch", "modl", "--size", "toy", *base]) == 0
    text = capsys.readouterr().out
    assert "modl/snip/at-init/0.9@pruner.weights=" in text
    assert "modl/dense@pruner.weights=" in text
    found = {record.row.pruner: record for record in read_records(tmp_path / "b", evaluations=True)}
    assert found["snip"].volumes == trial.volumes
    # half precision, and no cropped readout, which nobody says of weights from elsewhere
    assert found["dense"].metrics["knee"].psnr == pytest.approx(trial.metrics["knee"].psnr, abs=1)
    assert found["dense"].provenance.data.kind is None
    assert main(["show", str(tmp_path / "b")]) == 0
    assert main(["evaluate", str(foreign), *base]) == 2
    assert "add --arch NAME and --size SIZE" in capsys.readouterr().err
    assert main(["evaluate", str(foreign), "--arch", "modl", "--size", "demo", *base]) == 2
    assert "it fits --arch modl --size toy" in capsys.readouterr().err
    assert main(["evaluate", str(own), "--include-train", *base]) == 2
    assert "was trained on unknown data" in capsys.readouterr().err
    assert main(["evaluate", str(own), "--shifts", "anatomy", "pathology", *base]) == 0


def test_fastmris_varnet_is_scored_from_its_state_dict(simulated_root, tmp_path, capsys):
    """Of the size that the suite calls toy, with the prefix of Lightning's module."""
    model = build("e2e-varnet", "toy", torch.Generator().manual_seed(0))
    torch.save({f"varnet.{name}": value for name, value in model.state_dict().items()}, tmp_path / "varnet.ckpt")
    command = ["evaluate", str(tmp_path / "varnet.ckpt"), "--arch", "e2e-varnet", "--size", "toy", "--device", "cpu"]
    assert main([*command, "--data", str(simulated_root), "--out", str(tmp_path), "--quiet", "--slices", "1"]) == 0
    assert "e2e-varnet/dense@pruner.weights=" in capsys.readouterr().out
    (record,) = read_records(tmp_path, evaluations=True)
    assert record.elsewhere.preparation.crop_readout is False
    assert "cg_sense" not in record.baselines
