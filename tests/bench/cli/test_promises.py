"""What the README promises, at the size it promises it for: minutes, so not part of `make test`."""

import time
from dataclasses import replace
from typing import Any

import pytest
import safetensors.torch

from bench.evaluation.baselines import tune_cg_sense
from bench.evaluation.scoring import Reconstruct, score, summarise
from bench.trials.plan import plan
from bench.trials.request import Request
from bench.trials.run import run
from datasets.volumes import central_slices

pytestmark = pytest.mark.show


def demo_record(out, **changes):
    return run(plan(Request(arch="modl", pruner="snip", out=str(out), **changes)), False, print).to_json()


def test_the_demo_beats_tuned_cg_sense_and_the_empty_network_by_one_decibel(tmp_path):
    content = demo_record(tmp_path)
    for baseline in ("cg_sense", "empty"):
        assert content["metrics"]["knee"]["psnr"] > content["baselines"][baseline]["knee"]["psnr"] + 1


def test_on_real_volumes_the_network_beats_zero_filled_on_the_knee_it_did_not_see(tmp_path, real_kspace):
    content = demo_record(tmp_path, data=str(real_kspace))
    zero_filled = content["baselines"]["zero_filled"]
    assert content["metrics"]["knee"]["psnr"] > zero_filled["knee"]["psnr"]
    assert round(zero_filled["knee"]["psnr"], 3) == 31.283
    assert round(zero_filled["brain"]["psnr"], 3) == 24.508


def test_a_network_trained_on_simulated_knees_improves_on_cg_sense_on_real_slices(tmp_path, real_kspace):
    """Weights of the demo, data of the real root: the simulator teaches something that holds outside it."""
    simulated, real = (
        plan(Request(arch="modl", pruner="dense", out=str(tmp_path), data=data)) for data in (None, str(real_kspace))
    )
    run(simulated, False, print)
    model = simulated.workspace.initial_model()
    model.load_state_dict(safetensors.torch.load_file(simulated.folder / "weights.safetensors"))
    model.eval()
    tuned = tune_cg_sense(simulated.data.training.training, simulated.test.preparation, simulated.workspace.device)
    methods: dict[str, Reconstruct] = {"cg_sense": tuned, "network": lambda s: model(s.kspace, s.mask, s.maps)}
    found: dict[str, Any] = {
        name: summarise(part, real.test.splits) for name, part in score(methods, real.test).items()
    }
    for split in ("knee", "brain"):
        print(split, {name: round(part[split]["psnr"], 2) for name, part in found.items()})
        assert found["network"][split]["psnr"] > found["cg_sense"][split]["psnr"]


@pytest.mark.parametrize("name", ["modl-unet", "unrolled-unet", "e2e-varnet"])
def test_mini_sizes_are_over_parameterised_for_the_mini_training_set(tmp_path, name):
    """Dense training fits the slices it saw clearly better than those of other patients."""
    planned = plan(Request(arch=name, pruner="dense", size="mini", out=str(tmp_path)))
    run(planned, False, print)
    model = planned.workspace.initial_model()
    model.load_state_dict(safetensors.torch.load_file(planned.folder / "weights.safetensors"))
    model.eval()
    seen = planned.data.training.training
    slices = {v.name: central_slices(v, 1) for v in (*seen, *planned.test.splits["knee"])}
    data = replace(planned.test, splits={"seen": seen, "knee": planned.test.splits["knee"]}, slices=slices)
    scores = score({"network": lambda s: model(s.kspace, s.mask, s.maps)}, data)["network"]
    found: dict[str, Any] = summarise(scores, data.splits)
    print(name, {split: round(part["nmse"], 5) for split, part in found.items()})
    assert found["seen"]["nmse"] < 0.9 * found["knee"]["nmse"]
    assert found["seen"]["psnr"] > found["knee"]["psnr"] + 0.5


def test_evaluating_all_splits_and_shifts_takes_no_longer_than_the_training(tmp_path):
    request = Request(arch="modl", pruner="dense", device="cpu", out=str(tmp_path), shifts=("all",))
    planned = plan(request)
    begun = time.monotonic()
    record = run(planned, False, lambda line: None)
    whole = time.monotonic() - begun
    trained = sum(stage["seconds"] for stage in record.to_json()["cost"]["stages"])
    assert len(record.to_json()["shifts"]["knee"]) >= 10
    assert whole - trained <= trained, (whole, trained)
