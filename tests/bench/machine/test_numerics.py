"""What keys say of arithmetic, and what is set so that it holds."""

import os
from dataclasses import replace

import pytest
import torch

from bench.machine import gpus
from bench.machine.gpus import Gpu, Machine
from bench.machine.numerics import capability, describe_numerics, set_numerics
from registries import RequestError
from tests.bench.toy import toy_plan

CUDA = torch.device("cuda")


@pytest.fixture
def machine(monkeypatch):
    """Pretends a machine; gives a function that does."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)

    def pretend(*names, cudnn=91000):
        gpus._known.cache_clear()
        found = Machine(tuple(Gpu(name, 10 * 2**30, 80 * 2**30) for name in names), cudnn)
        monkeypatch.setattr(gpus, "ask", lambda: found)

    yield pretend
    gpus._known.cache_clear()


@pytest.fixture
def arithmetic():
    """Set back what tests set."""
    yield
    set_numerics(1)


def test_keys_of_a_cpu_hold_what_they_always_held():
    expected = {"device": "cpu", "dtype": "float32", "tf32": False, "threads": 2, "torch": torch.__version__}
    assert describe_numerics(torch.device("cpu"), 2) == expected
    assert describe_numerics(torch.device("cpu"), 2, "bf16") == expected


def test_keys_of_a_gpu_name_its_model_cuda_and_cudnn(machine, monkeypatch):
    machine("H200")
    found = describe_numerics(CUDA, 1)
    assert found == {**describe_numerics(torch.device("cpu"), 1), "device": "cuda"} | {
        "gpu": "H200",
        "cuda": torch.version.cuda,
        "cudnn": "91000",
    }
    assert capability(CUDA) == "H200"
    machine("A100")
    others = [describe_numerics(CUDA, 1), describe_numerics(CUDA, 1, "tf32")]
    machine("H200", cudnn=92000)
    others.append(describe_numerics(CUDA, 1))
    monkeypatch.setattr("torch.version.cuda", "1.0")
    others.append(describe_numerics(CUDA, 1))
    assert all(other != found for other in others)
    assert others[1]["tf32"] is True


def test_a_gpu_of_another_model_is_another_trial(machine, tmp_path):
    folders = []
    for name in ("H200", "A100", "H200"):
        machine(name)
        folders.append(toy_plan(tmp_path, device="cuda").folder)
    assert folders[0] == folders[2] != folders[1]


def test_tf32_is_of_a_gpu_and_of_the_key(machine, tmp_path):
    with pytest.raises(RequestError, match=r"^train.precision tf32: only a GPU has it; use --device cuda, or float32$"):
        toy_plan(tmp_path, settings=("train.precision=tf32",))
    machine("H200")
    planned = toy_plan(tmp_path, device="cuda", settings=("train.precision=tf32",))
    assert planned.context.numerics["tf32"] is True
    plain = toy_plan(tmp_path, device="cuda")
    assert plain.context.numerics["tf32"] is False
    assert replace(plain.context, training=planned.context.training).key != planned.context.key


@pytest.mark.parametrize(
    ("device", "precision"), [("cpu", "float32"), ("cuda", "float32"), ("cuda", "tf32"), ("cuda", "bf16")]
)
def test_what_keys_promise_is_set(device, precision, arithmetic):
    set_numerics(1, torch.device(device), precision)
    strict = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    assert strict == (device == "cuda", False)
    assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
    assert torch.backends.cudnn.deterministic
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in (":4096:8", ":16:8")


def test_without_a_gpu_the_question_is_answered_in_one_line(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RequestError, match=r"^--device cuda: ") as caught:
        gpus.ask()
    assert "\n" not in str(caught.value)
