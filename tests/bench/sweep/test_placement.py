"""How many trials a machine holds, and a driver that leaves its GPUs alone."""

import os
import signal

import pytest
import torch

from bench.cli import main
from bench.machine import gpus, memory
from bench.machine.gpus import Gpu, Machine
from bench.machine.memory import available_bytes
from bench.sweep import needs, placement
from bench.sweep.cells import Cell, plan_cells
from bench.sweep.needs import ENDED, Needs
from bench.sweep.placement import place
from bench.sweep.task import Result
from records.record import FILE, Record
from registries import RequestError
from tests.bench.sweep.tracks import write_track
from tests.bench.toy import toy_plan, toy_request

measure = needs.measure  # before anything takes its place
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
GIB = 2**30


@pytest.fixture
def machine(monkeypatch):
    """Pretends cores, free memory, GPUs and what a trial takes."""

    def pretend(cores, free, taken, *listed):
        monkeypatch.setattr(placement, "available_cores", lambda: cores)
        monkeypatch.setattr(placement, "available_bytes", lambda: free)
        monkeypatch.setattr(placement, "measure", lambda cells, plugins: taken)
        found = Machine(tuple(Gpu(name, left, 80 * GIB) for name, left in listed), 91000)
        monkeypatch.setattr(placement, "ask", lambda: found)
        monkeypatch.setattr(gpus, "ask", lambda: found)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    gpus._known.cache_clear()
    yield pretend
    gpus._known.cache_clear()


@pytest.mark.parametrize(
    ("free", "taken", "slots", "remark"),
    [
        (100 * GIB, Needs(0, 2 * GIB), 4, None),
        (None, Needs(0, 2 * GIB), 4, None),
        (100 * GIB, Needs(0, 0), 4, None),
        (
            5 * GIB,
            Needs(0, 2 * GIB),
            2,
            "2 workers instead of 4: a trial takes about 2.0 GiB of memory, and 5.0 GiB are available",
        ),
        (
            GIB,
            Needs(0, 2 * GIB),
            1,
            "1 worker instead of 4: a trial takes about 2.0 GiB of memory, and 1.0 GiB are available",
        ),
        (
            5 * GIB,
            ENDED,
            1,
            "1 worker instead of 4: the process that measured a training step was ended (memory?)",
        ),
    ],
)
def test_on_a_cpu_cores_and_memory_bound_the_workers(machine, free, taken, slots, remark):
    machine(8, free, taken)
    found = place([], CPU, 2, {})
    assert (found.slots, found.remark) == ((None,) * slots, remark)


@pytest.mark.parametrize(
    ("cores", "free", "gpu", "slots"),
    [
        (64, 999 * GIB, 4 * GIB, "010101"),  # the fuller one holds three
        (4, 999 * GIB, 4 * GIB, "0101"),
        (64, 999 * GIB, GIB // 8, "01" * 8),
        (64, 11 * GIB, 4 * GIB, "010"),  # of the machine three
        (64, 999 * GIB, ENDED.gpu, "01"),
    ],
)
def test_on_gpus_the_memory_of_the_machine_counts_as_well(machine, cores, free, gpu, slots):
    machine(cores, free, Needs(gpu, 3 * GIB), ("H200", 12 * GIB), ("H200", 70 * GIB))
    found = place([], CUDA, 1, {})
    assert "".join(map(str, found.slots)) == slots
    assert (found.remark is not None) == (slots == "010")


def test_whoever_says_how_many_gets_them(machine, monkeypatch):
    machine(8, GIB, Needs(0, 2 * GIB))
    monkeypatch.setattr(placement, "measure", lambda cells, plugins: pytest.fail("nothing to measure"))
    assert place([], CPU, 2, {}, 7).slots == (None,) * 7
    machine(8, GIB, Needs(0, 2 * GIB), ("H200", GIB), ("H200", GIB), ("H200", GIB))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,3,GPU-1")
    assert place([], CUDA, 2, {}, 4).slots == ("5", "3", "GPU-1", "5")


def test_gpus_of_different_models_are_no_place_for_one_sweep(machine):
    machine(8, 99 * GIB, Needs(GIB, GIB), ("H200", 70 * GIB), ("A100", 70 * GIB))
    with pytest.raises(RequestError, match=r"different models \(H200, A100\), .* name those of one model by CUDA_VISI"):
        place([], CUDA, 1, {}, 2)


def test_a_trial_is_measured_in_a_process_of_its_own(tmp_path):
    requests = [toy_request(tmp_path, arch=name) for name in ("modl", "unrolled-unet")]
    before = memory.resident_mb("VmHWM")
    found = measure(plan_cells(requests), {})
    assert found.gpu == 0
    assert 0.1 * GIB < found.host < 8 * GIB
    assert memory.resident_mb("VmHWM") < before + 200


def test_a_process_that_is_ended_while_it_measures_leaves_one_worker(tmp_path, monkeypatch):
    monkeypatch.setattr(needs, "_measure", end)
    assert measure([Cell(toy_request(tmp_path), toy_plan(tmp_path))], {}) == ENDED


def end(requests, plugins):
    os.kill(os.getpid(), signal.SIGKILL)


GROUPS = {
    "no group": ({}, "", 8),
    "no limit": ({"job/memory.max": "max", "job/memory.current": "0", "job/memory.stat": ""}, "0::/job", 8),
    "a limit": (
        {"job/memory.max": str(4 * GIB), "job/memory.current": str(3 * GIB), "job/memory.stat": f"inactive_file {GIB}"},
        "0::/job",
        2,
    ),
    "one above": (
        {"memory.max": str(2 * GIB), "memory.current": str(GIB), "memory.stat": "inactive_file 0"},
        "0::/job/step",
        1,
    ),
    "the first kind": (
        {
            "memory/job/memory.limit_in_bytes": str(4 * GIB),
            "memory/job/memory.usage_in_bytes": str(GIB),
            "memory/job/memory.stat": "inactive_file 7\ntotal_inactive_file 0",
        },
        "3:cpu,cpuacct:/job\n2:memory:/job",
        3,
    ),
    "used up": ({"memory.max": "5", "memory.current": "9", "memory.stat": "inactive_file 0"}, "0::/", 0),
}


@pytest.mark.parametrize("name", GROUPS)
def test_available_is_what_the_machine_and_every_group_leave(name, tmp_path, monkeypatch):
    files, own, expected = GROUPS[name]
    for place_, text in files.items():
        path = tmp_path / "groups" / place_
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable: {8 * 2**20} kB\n")
    (tmp_path / "own").write_text(own)
    for constant, path in (("MACHINE", "meminfo"), ("OWN_GROUP", "own"), ("GROUPS", "groups")):
        monkeypatch.setattr(memory, constant, tmp_path / path)
    assert available_bytes() == expected * GIB


def test_this_machine_tells():
    assert available_bytes() > 0


class Refusing:
    """In place of local processes; every trial fails, so that the driver writes the records."""

    packs = False

    def __init__(self, slots, threads):
        self.slots, self.running = slots, []

    @property
    def free(self):
        return len(self.slots) - len(self.running)

    def submit(self, number, task):
        assert task.request.device == "cuda"
        self.running.append(number)

    def wait(self, seconds):
        ended, self.running = self.running, []
        return [(number, Result("failed", "on purpose")) for number in ended]

    def interrupt(self):
        pass

    close = interrupt


def test_a_driver_asks_its_gpus_nothing_that_takes_a_context(machine, tmp_path, monkeypatch, capsys):
    """Planning (also to a budget), placing, skipping, failing."""

    def refuse(*_, **__):
        raise AssertionError("a CUDA context in the driver")

    machine(64, 999 * GIB, Needs(4 * GIB, GIB), ("H200", 70 * GIB), ("H200", 70 * GIB))
    monkeypatch.setattr("bench.machine.signals.listen", lambda: None)  # signals of this process are pytest's
    monkeypatch.setattr("bench.sweep.local.LocalExecutor", Refusing)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    for name in ("_lazy_init", "init", "get_device_name", "get_device_properties", "mem_get_info", "current_device"):
        monkeypatch.setattr(torch.cuda, name, refuse)
    for protocol in ("standard", "equal-total"):
        path = write_track(tmp_path, changes={"threads = 1": f'threads = 1\nprotocol = "{protocol}"'})
        out = tmp_path / protocol
        assert main(["sweep", str(path), "--device", "cuda", "--out", str(out)]) == 1
        records = [Record.read(file) for file in out.glob(f"*/{FILE}")]
        assert {record.provenance.numerics.gpu for record in records if record.status == "failed"} == {"H200"}
        assert len(records) == 5
    assert not torch.cuda.is_initialized()
    assert "on purpose" in capsys.readouterr().out
