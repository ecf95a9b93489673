"""What the README promises, at the size it promises it for: minutes, so not part of `make test`."""

import pytest

from bench.planning import plan
from bench.request import Request
from bench.running import run

pytestmark = pytest.mark.show


def demo_record(out, **changes):
    return run(plan(Request(arch="modl", pruner="snip", out=str(out), **changes)), False, print).content


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
