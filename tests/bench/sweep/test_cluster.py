"""Ray: two nodes on this machine, one of them killed in the middle of a sweep."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench.sweep.cluster import RayExecutor
from records.record import FILE, Record
from registries import RequestError
from tests.bench.sweep.tracks import write_track

pytest.importorskip("ray", reason="Ray is the extra 'cluster'")
ROOT = Path(__file__).resolve().parents[3]
# the head has no CPUs, so that trials run on the nodes; the second one dies once a trial has begun on each
SCRIPT = """
import sys, threading, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from bench.cli import main
from bench.store.maintenance import begun

track, out = sys.argv[1:]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
lost = []

def lose_a_node():
    while len(begun(Path(out) / ".store")) < 4:
        time.sleep(0.05)
    cluster.remove_node(nodes[1], allow_graceful=False)
    lost.append(True)

threading.Thread(target=lose_a_node, daemon=True).start()
ray.init(address=cluster.address, log_to_driver=False)
code = main(["sweep", track, "--executor", "ray", "--address", cluster.address, "--device", "cpu", "--out", out])
print("exit", code, "lost", len(lost))
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.parametrize("listens", [True, False])
def test_an_address_where_no_cluster_answers_is_refused_in_time(monkeypatch, listens):
    monkeypatch.setattr("bench.sweep.cluster.PATIENCE", 3.0)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        if listens:  # and never says a word
            other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(RequestError, match=f"--address {address}: no Ray cluster answers there within 3 s"):
            RayExecutor(address, 1, torch.device("cpu"), None, None)


def test_a_sweep_on_ray_survives_the_loss_of_a_node_and_gives_the_records_of_local_processes(tmp_path):
    # long enough for the loss to hit a trial under way
    path = write_track(tmp_path, changes={"steps = 12": "steps = 200"})
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-c", SCRIPT, str(path), str(tmp_path / "ray")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400)
    assert "exit 0 lost 1" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    local = ["sweep", str(path), "--device", "cpu", "--out", str(tmp_path / "local"), "--quiet"]
    subprocess.run([sys.executable, "-m", "bench", *local], cwd=ROOT, env=environment, check=True, timeout=400)
    found = [
        {file.parent.name: Record.read(file).canonical() for file in (tmp_path / name).glob(f"*/{FILE}")}
        for name in ("ray", "local")
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 5
