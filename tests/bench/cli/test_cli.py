"""The command line as a user meets it: outputs, the store, bad input, a kill in the middle."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
import safetensors.torch
import torch

from architectures import architectures
from bench.cli import main
from pruners import pruners
from records.record import FILE, Record
from tests.bench.toy import toy_plan
from tests.datasets.volumes import spoiled, write_volume

PLUGIN = """
from architectures import architecture
from architectures.models.modl import ConvolutionalDenoiser, MoDL

class Dimmed(MoDL):
    def forward(self, kspace, mask, maps):
        return 0.9 * super().forward(kspace, mask, maps)

@architecture(version=1, source="a test", sharing="all", needs=("maps",), sizes={"toy": {"channels": 4}})
def mine(channels):
    "Dims the image."
    return Dimmed(ConvolutionalDenoiser(channels, 3), 2, 2)
"""
ROOT = Path(__file__).resolve().parents[3]
RUN = ["run", "--arch", "modl", "--pruner", "snip", "--size", "toy", "--device", "cpu"]
PICTURES = {"reconstructions.png", "layers.png", "findings.png", "curves.png"}
NETWORK = {"mask.safetensors", "weights.safetensors"}
OUTPUTS = {"record.json", *NETWORK, "examples.safetensors", "curve.csv", "log.txt", *PICTURES}


@pytest.fixture
def call(capsys):
    """Run a command in this process; gives exit code, standard output and standard error without progress bars."""

    def run(*arguments):
        try:
            code: int | str | None = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, "\n".join(line for line in err.replace("\r", "\n").splitlines() if line.startswith("bench:"))

    return run


def only_record(out):
    (folder,) = [path for path in out.iterdir() if path.name != ".store"]
    return folder, Record.read(folder / FILE)


@pytest.mark.usefixtures("drawn")
def test_a_run_leaves_everything_the_readme_names(call, tmp_path):
    code, out, _ = call(*RUN, "--out", tmp_path)
    assert code == 0
    folder, record = only_record(tmp_path)
    assert {path.name for path in folder.iterdir()} == OUTPUTS
    for word in ("modl/snip/at-init/0.9", "prunable", "zero-filled", "CG-SENSE", "empty", "this network", str(folder)):
        assert word in out
    assert set(record.to_json()["metrics"]) >= {"knee", "brain", "fastmri-plus"}
    assert set(record.to_json()["baselines"]) == {"zero_filled", "cg_sense", "empty", "oracle"}
    assert (folder / "log.txt").read_text().strip() in out
    for name in PICTURES:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("sparsity", ["0.5", "0.9", "0.97", "0.99"])
def test_pruned_weights_are_exactly_zero_and_counts_exact(call, tmp_path, sparsity):
    assert call(*RUN, "--sparsity", sparsity, "--out", tmp_path)[0] == 0
    folder, record = only_record(tmp_path)
    mask = safetensors.torch.load_file(folder / "mask.safetensors")
    weights = safetensors.torch.load_file(folder / "weights.safetensors")
    total = sum(kept.numel() for kept in mask.values())
    kept = sum(int(kept.sum()) for kept in mask.values())
    assert kept == record.to_json()["mask"]["kept"] == total - int(float(sparsity) * total + 0.5)
    assert all((weights[name][~keep] == 0).all() for name, keep in mask.items())
    assert sum(int((weights[name] != 0).sum()) for name in mask) == kept


def test_of_a_network_with_two_groups_one_may_be_pruned_alone(call, tmp_path):
    arguments = ["run", "--arch", "e2e-varnet", *RUN[3:], "--set", "pruner.groups=denoiser"]
    assert call(*arguments, "--out", tmp_path)[0] == 0
    folder, record = only_record(tmp_path)
    weights = safetensors.torch.load_file(folder / "weights.safetensors")
    mask = record.to_json()["mask"]
    assert {layer["group"] for layer in mask["layers"]} == {"denoiser"}
    assert mask["kept"] == mask["prunable"] - int(0.9 * mask["prunable"] + 0.5)
    assert all((value != 0).all() for name, value in weights.items() if name.startswith("sens_net") and value.ndim == 4)


@pytest.mark.parametrize("name", ["e2e-varnet", "modl-didn", "modl-unet", "unrolled-unet"])
def test_every_architecture_runs(call, tmp_path, name):
    assert call("run", "--arch", name, *RUN[3:], "--out", tmp_path)[0] == 0
    assert only_record(tmp_path)[1].trial.arch == name


def test_check_architecture_says_what_holds(call, tmp_path, override):
    code, out, _ = call("check", "architecture", "modl")
    override(architectures)  # the plug-in stays in this test
    assert code == 0
    assert "architecture modl: keeps its contract" in out
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    code, out, _ = call("check", "architecture", "mine", "--plugin", plugin)
    assert code == 1
    assert re.search(r"FAIL full data: fully sampled data change", out)
    code, _, err = call("check", "architecture", "nobody")
    assert (code, len(err.splitlines())) == (2, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("import nowhere", "cannot be imported: ModuleNotFoundError"),
        ("def f(:", "cannot be imported: SyntaxError"),
        (
            "from pruners import *\n@recipe(timings=(), version=1, source='x')\ndef dense(t, p):\n  'D.'",
            "registered twice",
        ),
    ],
)
def test_broken_plugins_are_named_in_one_line(call, tmp_path, text, message):
    path = tmp_path / "broken.py"
    if text is not None:
        path.write_text(text)
    code, _, err = call("check", "architecture", "modl", "--plugin", path)
    assert (code, len(err.splitlines())) == (2, 1)
    assert message in err
    assert "broken.py" in err


def test_list_verbose_counts_parameters(call):
    code, out, _ = call("list", "architectures", "-v")
    assert code == 0
    assert re.search(r"paper +29,936,966 parameters, prunable: denoiser [\d,]+, sensitivity [\d,]+", out)
    assert "nothing is shared" in out


def test_shifts_are_evaluated_with_the_same_network(call, tmp_path):
    shifts = ["acceleration-8", "noise-20", "anatomy", "contrast-pd", "acceleration-4"]
    code, out, _ = call(*RUN, "--shifts", *shifts, "--out", tmp_path)
    assert code == 0
    _, record = only_record(tmp_path)
    found = record.to_json()["shifts"]
    assert set(found["knee"]) == {"acceleration-8", "noise-20"}
    assert set(found["brain"]) == {"acceleration-8", "noise-20", "anatomy"}
    usual, harder = record.to_json()["metrics"]["knee"]["psnr"], found["knee"]["acceleration-8"]["psnr"]
    assert harder < usual
    assert found["brain"]["anatomy"]["psnr"] == record.to_json()["metrics"]["brain"]["psnr"]
    missing = record.to_json()["provenance"]["data"]["unavailable"]
    assert "trained on CORPD_FBK" in missing["shift contrast-pd"]
    assert "how the network was trained" in missing["shift acceleration-4"]
    rows = [row for row in record.to_json()["volumes"] if (row["split"], row["shift"]) == ("knee", "noise-20")]
    assert sum(row["psnr"] for row in rows) / len(rows) == pytest.approx(found["knee"]["noise-20"]["psnr"])
    assert re.search(r"^ +acceleration-8 ", out, re.MULTILINE)
    code, _, err = call(*RUN, "--shifts", "fog", "--out", tmp_path)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "unknown shift 'fog'" in err


def test_shifts_that_cannot_be_measured_here_are_named_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.evaluation.shifts.find_spec", lambda name: None)
    fewer = property(lambda undersampling: 0.08 / undersampling.acceleration)
    monkeypatch.setattr("datasets.undersampling.Undersampling.centre_fraction", fewer)
    planned = toy_plan(tmp_path, shifts=("pattern-poisson", "acceleration-8", "noise-20", "coils-4"))
    assert [shift.name for shift in planned.data.shifts] == ["noise-20"]
    assert "needs sigpy" in planned.data.summary.unavailable["shift pattern-poisson"]
    assert "no calibration line" in planned.data.summary.unavailable["shift acceleration-8"]
    assert "no test volume" in planned.data.summary.unavailable["shift coils-4"]


def test_coverage_is_measured_by_a_command(call):
    code, out, _ = call("check", "statistics", "--repetitions", 20)
    assert code == 0
    assert "10 × 30" in out


def test_speed_compares_with_the_peers(call):
    sizes = ["--size", "toy", "--coils", 2, "--rows", 32, "--columns", 32, "--runs", 1, "--threads", 1]
    code, out, err = call("speed", "architectures", *sizes, "--variants", "bf16")
    assert code == 0, err
    for name in ("modl", "e2e-varnet", "modl bf16", "deepinv MoDL", "fastMRI VarNet"):
        assert re.search(rf"^{name} ", out, re.MULTILINE)
    code, _, err = call("speed", "architectures", "--runs", 0)
    assert (code, len(err.splitlines())) == (2, 1)


def test_fresh_runs_are_canonically_equal_and_repeats_answer_from_the_store(call, tmp_path):
    call(*RUN, "--fresh", "--out", tmp_path)
    folder, first = only_record(tmp_path)
    call(*RUN, "--fresh", "--out", tmp_path)
    assert only_record(tmp_path)[1].canonical() == first.canonical()
    before = (folder / FILE).read_bytes()
    code, out, _ = call(*RUN, "--out", tmp_path)
    assert code == 0
    assert "answered from the store" in out
    assert "this network" in out
    assert (folder / FILE).read_bytes() == before
    shutil.rmtree(folder)
    code, out, _ = call(*RUN, "--out", tmp_path)
    assert "train steps 0–12: from the store" in out
    again = only_record(tmp_path)[1]
    assert again.canonical() == first.canonical()
    assert all(stage["reused"] for stage in again.to_json()["cost"]["stages"])


def test_dense_beside_it_gives_the_paired_change(call, tmp_path):
    call(*RUN[:4], "dense", *RUN[5:], "--out", tmp_path)
    code, out, _ = call(*RUN, "--out", tmp_path)
    assert code == 0
    assert re.search(r"paired change against modl/dense.*conditional on these trained networks", out)
    assert re.search(r"knee: [+-]\d\.\d{3} \(95 % interval", out)


def test_dry_run_says_what_would_be_done_and_writes_nothing(call, tmp_path):
    code, out, _ = call(*RUN, "--out", tmp_path / "out", "--dry-run")
    assert code == 0
    assert "stage 1: prune 0.9 by snip (global)" in out
    assert "stage 2: train steps 0–12 · 12 steps · cost 1.000 · density after it 0.1" in out
    assert "cost in dense trainings: 1.667" in out
    assert not (tmp_path / "out").exists()


def test_divergence_leaves_a_failed_record_with_its_reason(call, tmp_path):
    code, out, _ = call(*RUN, "--set", "train.learning_rate=1e9", "--out", tmp_path)
    assert code == 1
    _, record = only_record(tmp_path)
    assert record.status == "failed"
    assert "diverged" in record.reason
    assert "failed: training diverged" in out


def test_zero_scores_leave_a_failed_record(call, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "bench.stages.problem.TrainingProblem.loss", lambda self, batch, w: sum(v.sum() for v in w.values()) * 0
    )
    assert call(*RUN, "--out", tmp_path)[0] == 1
    assert "scores every weight zero" in only_record(tmp_path)[1].reason


def test_any_exception_keeps_the_row_and_its_traceback_in_the_log(call, tmp_path, monkeypatch):
    def explode(*arguments, **settings):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("bench.trials.run.score", explode)
    code, out, err = call(*RUN, "--out", tmp_path)
    folder, record = only_record(tmp_path)
    assert code == 1
    assert re.fullmatch(r"RuntimeError: out of luck( \(test_cli\.py, line \d+\))?", record.reason)
    assert "Traceback" in (folder / "log.txt").read_text()
    assert "Traceback" not in out + err
    monkeypatch.undo()


def test_quiet_prints_results_alone(tmp_path):
    command = [sys.executable, "-m", "bench", *RUN, "--quiet", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith("kept ")
    assert "training on knee" in (only_record(tmp_path)[0] / "log.txt").read_text()


@pytest.mark.parametrize("number", range(1, 11))
def test_a_run_stopped_at_any_write_ends_where_an_uninterrupted_one_does(call, tmp_path, monkeypatch, number):
    """Every file and folder gets its name by one rename: stop at each of them, then give the same command again."""
    call(*RUN, "--out", tmp_path / "whole")
    replace, calls = Path.replace, []

    def step(path, target):
        calls.append(path)
        if len(calls) == number:
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", step)
    assert call(*RUN, "--out", tmp_path / "stopped")[0] == 130
    monkeypatch.setattr(Path, "replace", replace)
    assert call(*RUN, "--out", tmp_path / "stopped")[0] == 0
    (first, a), (second, b) = only_record(tmp_path / "stopped"), only_record(tmp_path / "whole")
    assert a.canonical() == b.canonical()
    assert {path.name for path in first.iterdir()} == {path.name for path in second.iterdir()} == OUTPUTS


def test_list_shows_every_entry(call):
    code, out, _ = call("list")
    assert code == 0
    for word in ("modl", "snip", "magnitude", "random", "dense", "knee", "brain", "fastmri-plus", "demo", "toy"):
        assert re.search(rf"^  {word} ", out, re.MULTILINE)
    code, out, _ = call("list", "pruners")
    assert "snip" in out
    assert "modl" not in out


def test_help_imports_neither_torch_nor_pandas():
    code = "import sys; from bench.cli import main\ntry: main(['run', '--help'])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('torch', 'pandas', 'h5py') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


BAD = {
    "architecture": (["--arch", "model"], "unknown architecture 'model': did you mean modl or modl-unet or modl-didn?"),
    "pruner": (["--pruner", "snap"], "did you mean snip?"),
    "track": (["--track", "demi"], "did you mean demo or mini?"),
    "timing": (["--timing", "later"], "does not exist at timing 'later'"),
    "sparsity": (["--sparsity", "1.0"], "--sparsity 1.0"),
    "sparsity NaN": (["--sparsity", "NaN"], "--sparsity NaN"),
    "acceleration": (["--acceleration", "0"], "--acceleration: 0 is out of range: it must be at least 1"),
    "acceleration text": (["--acceleration", "four"], "'four' is not a whole number"),
    "missing root": (["--data", "nowhere"], "no such data folder"),
    "training set": (["--train-on", "elbow"], "unknown training set 'elbow'"),
    "annotations": (["--annotations", "nowhere"], "no such folder of fastMRI+ annotations"),
    "no calibration line": (["--acceleration", "100"], "leaves no calibration line"),
    "groups": (
        ["--set", "pruner.groups=sensitivity"],
        "pruner.groups=sensitivity: unknown group of weights: there are all, denoiser",
    ),
    "training option": (["--set", "train.stepz=3"], "has no option 'stepz'"),
    "unknown flag": (["--frsh"], "unrecognized arguments: --frsh"),
}


@pytest.mark.parametrize("kind", sorted(BAD))
def test_bad_requests_end_in_one_line_and_code_2(call, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    arguments, message = BAD[kind]
    code, out, err = call(*RUN, *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in out + err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", sorted(spoiled(Path())))
def test_bad_volumes_end_in_one_line_and_code_2(call, tmp_path, kind):
    for name in ("a.h5", "b.h5"):
        write_volume(tmp_path / "data" / "knee" / "multicoil_train" / name)
    write_volume(tmp_path / "data" / "knee" / "multicoil_val" / "c.h5")
    spoil, message = spoiled(tmp_path / "data")[kind]
    spoil()
    code, _, err = call(*RUN, "--data", tmp_path / "data", "--out", tmp_path / "out")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_an_empty_root_ends_in_one_line(call, tmp_path):
    (tmp_path / "data").mkdir()
    code, _, err = call(*RUN, "--data", tmp_path / "data", "--out", tmp_path / "out")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "holds no .h5 volume" in err


def test_unwritable_output_ends_in_one_line(call, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, _, err = call(*RUN, "--out", tmp_path / "file" / "out")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "cannot write there" in err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_without_a_device_ends_in_one_line(call, tmp_path):
    code, _, err = call(*RUN, "--device", "cuda", "--out", tmp_path / "out")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "no CUDA device here" in err


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_run_on_the_gpu(call, tmp_path):
    assert call(*RUN[:-1], "cuda", "--out", tmp_path)[0] == 0
    assert only_record(tmp_path)[1].to_json()["provenance"]["numerics"]["device"] == "cuda"


@pytest.mark.parametrize("name", ["datasets/__init__.py", "datasets.py"])
def test_a_foreign_package_named_datasets_is_said_so(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-P", "-m", "bench", "list"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the package 'datasets' is another project's" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_cache_that_cannot_be_written_ends_in_one_line(call, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PUNBENCH_CACHE", str(tmp_path / "file"))
    code, _, err = call(*RUN, "--out", tmp_path / "out")
    assert (code, len(err.splitlines())) == (2, 1)


def test_data_check_without_data_ends_in_one_line(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = call("data", "check")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "name a ROOT" in err


def test_data_check_renews_the_manifest(call, tmp_path):
    folder = tmp_path / "knee" / "multicoil_train"
    write_volume(folder / "a.h5")
    code, out, _ = call("data", "check", tmp_path)
    assert code == 0
    assert "1 volume of 1 patient" in out
    with h5py.File(folder / "a.h5", "r+") as file:
        file.attrs["norm"] = 2.0
    os.utime(folder / "a.h5", ns=(1, 1))
    code, _, err = call(*RUN, "--data", tmp_path, "--out", tmp_path / "out")
    assert code == 2
    assert "changed since the manifest was made" in err
    assert call("data", "check", tmp_path)[0] == 0


def test_data_check_names_every_problem(call, tmp_path):
    folder = tmp_path / "knee" / "multicoil_train"
    write_volume(folder / "good.h5")
    write_volume(folder / "no_kspace.h5", drop=("kspace",))
    (folder / "text.h5").write_text("hello")
    code, out, err = call("data", "check", tmp_path)
    assert code == 2
    assert [word for word in ("no_kspace.h5", "text.h5", "good.h5") if word in err] == ["no_kspace.h5", "text.h5"]
    assert "1 volume of 1 patient, 2 slices, 2 problems; manifest not complete" in out


def test_data_check_opens_every_volume_again(call, tmp_path):
    path = write_volume(tmp_path / "knee" / "multicoil_train" / "a.h5")
    assert call("data", "check", tmp_path)[0] == 0
    stat = path.stat()
    with path.open("r+b") as stream:
        stream.seek(0)
        stream.write(b"damage" * 20)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert call("data", "check", tmp_path)[0] == 2


def test_simulated_data_are_made_shown_and_described(call, tmp_path):
    root = tmp_path / "root"
    sizes = ["--knee-train", 1, "--knee-val", 1, "--brain-train", 0, "--brain-val", 1, "--slices", 2, "--matrix", 32]
    assert call("data", "simulate", root, *sizes, "--coils", 2)[0] == 0
    code, out, _ = call("data", "check", root)
    assert code == 0
    assert "3 volumes of 3 patients, 6 slices, 0 problems; manifest complete" in out
    code, out, _ = call("data", "preview", root, "--out", tmp_path / "look.png", "--volumes", 2)
    assert code == 0
    assert "2 of 3 volumes" in out
    assert (tmp_path / "look.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = call("data", "annotations", root / "fastmri_plus", root)
    assert code == 0
    assert "3 volumes reviewed" in out
    assert "differs from the official table" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["simulate", "root", "--matrix", "7"], "--matrix: 7"),
        (["simulate", "root", "--slices", "0"], "--slices: 0"),
        (["simulate", "root", *[f"--{a}-{p}=0" for a in ("knee", "brain") for p in ("train", "val")]], "no patients"),
        (["simulate", "taken"], "is not empty"),
        (["preview", "nowhere"], "no such data folder"),
        (["preview", "taken", "--volumes", "0"], "--volumes: 0"),
        (["annotations", "nowhere"], "holds no fastMRI+ table"),
        (["annotations", "broken"], "lacks the columns"),
        (["annotations", "foreign", "taken"], "matches none of the knee volumes"),
        (["preview", "taken", "--out", "."], "name a file"),
        (["simulate", "root", "--matrix", "1000000"], "--matrix: 1000000"),
    ],
)
def test_bad_data_requests_end_in_one_line(call, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_volume(tmp_path / "taken" / "knee" / "multicoil_train" / "a.h5")
    for name, header in (("broken", "file,slice"), ("foreign", "file,slice,study_level,x,y,width,height,label")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "knee.csv").write_text(header + "\n")
        (tmp_path / name / "knee_file_list.csv").write_text("somebody\n")
    code, _, err = call("data", *arguments)
    assert (code, len(err.splitlines())) == (2, 1)
    assert message in err


def test_tables_that_belong_to_other_volumes_end_a_run(call, tmp_path, simulated_root):
    (tmp_path / "knee.csv").write_text("file,slice,study_level,x,y,width,height,label\n")
    (tmp_path / "knee_file_list.csv").write_text("somebody\n")
    code, _, err = call(*RUN, "--data", simulated_root, "--annotations", tmp_path, "--out", tmp_path / "out")
    assert code == 2
    assert "matches none of the knee volumes" in err
    assert not (tmp_path / "out").exists()


def test_a_killed_training_continues_bit_equal(tmp_path):
    """SIGKILL in training, then the same command: it continues, and ends where an uninterrupted run ends."""
    command = [sys.executable, "-m", "bench", *RUN, "--set", "train.steps=600"]
    code = (
        f"import bench.stages.loop as t, runpy, sys; t.CHECKPOINT_SECONDS = 0.05; sys.argv = ['bench', *{command[3:]!r}"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(out):
        script = code + f", '--out', {str(out)!r}]; runpy.run_module('bench', run_name='__main__')"
        return subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    victim = start(tmp_path / "killed")
    deadline = time.monotonic() + 120
    while not list((tmp_path / "killed" / ".store").glob("*.checkpoint.safetensors")):
        assert victim.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    again, whole = start(tmp_path / "killed"), start(tmp_path / "whole")
    outputs = [process.communicate()[0].decode() for process in (again, whole)]
    assert again.returncode == whole.returncode == 0
    continued = re.search(r"continues from step (\d+)", outputs[0])
    assert continued
    assert 0 < int(continued[1]) < 600
    assert "continues" not in outputs[1]
    (first, a), (second, b) = only_record(tmp_path / "killed"), only_record(tmp_path / "whole")
    assert a.canonical() == b.canonical()
    assert (first / "weights.safetensors").read_bytes() == (second / "weights.safetensors").read_bytes()
    assert json.loads((first / FILE).read_text())["status"] == "ok"


MEDDLING = """
import asyncio, os, sys, signal, torch
from pruners import pruner

{at_import}

@pruner(timings=("at-init",), version=1, source="a test")
def meddles(problem):
    "Does what no pruner may."
    scores = {{name: weight.abs() for name, weight in problem.weights.items()}}
    {at_call}
    return scores
"""
DEEDS = {
    "raise SystemExit(0)": "SystemExit: 0",
    "os.chdir('/')": "changes the working folder of the process",
    "torch.set_grad_enabled(False)": "changes whether torch computes gradients of the process",
    "torch.set_default_dtype(torch.float64)": "changes torch's default dtype of the process",
    "torch.set_default_device('meta')": "changes torch's default device of the process",
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)": "changes the handler of SIGTERM of the process",
    "raise ValueError('a lone \\ud800')": "ValueError: a lone ",
    "os._exit(0)": "SystemExit: 0",
    "raise asyncio.CancelledError('over')": "CancelledError: over",
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("when", ["at_import", "at_call"])
def test_a_plug_in_that_meddles_with_the_process_is_named_in_one_line(call, tmp_path, deed, when, override):
    """Nothing stays changed, whenever it happens."""
    override(pruners)
    plugin = tmp_path / "mine.py"
    plugin.write_text(MEDDLING.format(**{"at_import": "", "at_call": "", when: deed}))

    def state():
        torchs = (torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_default_device())
        return (Path.cwd(), signal.getsignal(signal.SIGTERM), *torchs)

    before = state()
    run = ["run", "--arch", "modl", "--pruner", "meddles", "--size", "toy", "--device", "cpu", "--plugin", plugin]
    code, out, err = call(*run, "--out", tmp_path / "out")
    assert state() == before
    if when == "at_import":
        assert code == 2
        lines = [line for line in err.splitlines() if line.startswith("bench:")]
        assert len(lines) == 1
        assert str(plugin) in lines[0]
    else:
        # a dry estimate of its cost may meet it before the trial does
        assert code in (1, 2)
        lines = [line for line in (out + err).splitlines() if DEEDS[deed] in line]
    assert DEEDS[deed] in lines[0]


def test_runs_and_show_list_splits_in_the_same_order(call, tmp_path):
    """Also when the record was read again, whose keys are sorted by the alphabet."""

    def listed(*arguments):
        _, out, _ = call(*arguments)
        return re.findall(r"^(\S.*?) +zero-filled ", out, re.MULTILINE)

    first = listed(*RUN, "--out", tmp_path)
    assert [split for split in first if "(" not in split] == ["knee", "brain", "fastmri-plus"]
    assert listed(*RUN, "--out", tmp_path) == listed("show", tmp_path) == first
