"""Trials as tasks of a Ray cluster; all nodes share the code and the output folder."""

import subprocess
import sys
import time

import torch

from bench.machine import signals
from bench.sweep.task import Result, Task, carry_out
from registries import RequestError

LOST = 5
"""How often Ray starts a task anew whose node or process was lost."""
LOCAL = "local"
PATIENCE = 20.0
"""Seconds for a cluster to answer, where Ray itself tries for a quarter of an hour; importing Ray included."""
PROBE = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False)"


class RayExecutor:
    """Hands trials to Ray, which places them and restarts those of lost nodes; their checkpoints continue them.

    Parameters
    ----------
    address : str or None
        Of a cluster; None starts one on this machine.
    threads : int
        CPUs of each trial.
    device : torch.device
    gpus : float or None
        GPUs of each trial; by default one on a GPU, none on a CPU.
    workers : int or None
        Most trials at once; by default as many as the cluster holds at the moment.
    memory : int
        Of the node, bytes of each trial; 0 where nobody counts it.

    Raises
    ------
    RequestError
        If Ray is not installed, or there is no such cluster.
    """

    def __init__(
        self,
        address: str | None,
        threads: int,
        device: torch.device,
        gpus: float | None,
        workers: int | None,
        memory: int = 0,
    ) -> None:
        try:
            import ray
        except ImportError:
            raise RequestError("--executor ray: Ray is missing; pip install -e '.[cluster]'") from None
        self._ray = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            if address and address != LOCAL:
                _check_answer(address)
            try:
                ray.init(address=address or LOCAL, log_to_driver=False)
            except (ConnectionError, ValueError, RuntimeError) as error:
                words = " ".join(str(error).split())
                raise RequestError(f"--address {address}: no Ray cluster answers there ({words})") from None
        share = gpus if gpus is not None else float(device.type == "cuda")
        self._threads, self._share, self._workers, self._memory = threads, share, workers, memory
        quiet = {"env_vars": {"TQDM_DISABLE": "1"}}
        each = {"num_cpus": threads, "num_gpus": share, **({"memory": memory} if memory else {})}
        self._remote = ray.remote(**each, max_retries=LOST, runtime_env=quiet)(_carry_out)
        self._running: dict[object, int] = {}
        self._weights: dict[object, int] = {}
        if self._places() < 1:
            room = f" and {memory / 2**30:.1f} GiB of memory" if memory else ""
            raise RequestError(f"--executor ray: no node has {threads} CPUs, {share:g} GPUs{room}, as a trial needs")

    @property
    def free(self) -> int:
        """How many more trials can start now."""
        most = self._places() if self._workers is None else min(self._places(), self._workers)
        return most - sum(self._weights[reference] for reference in self._running)

    @property
    def packs(self) -> bool:
        """Whether several trials may be on one GPU."""
        return 0 < self._share < 1

    def _places(self) -> int:
        """How many trials fit on the nodes that are alive."""
        places = 0
        for node in self._ray.nodes():
            if node["Alive"]:
                found = node["Resources"]
                most = int(found.get("CPU", 0) // self._threads)
                most = min(most, int(found.get("memory", 0) // self._memory)) if self._memory else most
                places += min(most, int(found.get("GPU", 0) / self._share)) if self._share else most
        return places

    def submit(self, number: int, task: Task) -> None:
        """Start a trial under a number of the caller's."""
        whole = task.alone and self.packs
        remote = self._remote.options(num_gpus=1) if whole else self._remote
        reference = remote.remote(task)
        self._running[reference] = number
        self._weights[reference] = int(1 / self._share) if whole else 1

    def wait(self, seconds: float) -> list[tuple[int, Result | None]]:
        """Trials that ended, after at most so many seconds; None instead of a result where Ray gave up."""
        if not self._running:
            time.sleep(seconds)
            return []
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        found: list[tuple[int, Result | None]] = []
        for reference in done:
            number = self._running.pop(reference)
            del self._weights[reference]
            try:
                found.append((number, self._ray.get(reference)))
            except self._ray.exceptions.TaskCancelledError:
                found.append((number, Result("interrupted")))
            except self._ray.exceptions.RayError:
                found.append((number, None))
        return found

    def interrupt(self) -> None:
        """Ask all trials to write a checkpoint and leave."""
        for reference in self._running:
            self._ray.cancel(reference)  # arrives as SIGINT, to which the task listens

    def close(self) -> None:
        """Leave the cluster, or end the one that was started here."""
        if self._ours:
            self._ray.shutdown()


def _check_answer(address: str) -> None:
    """Raises `RequestError` if no cluster answers in time; an attempt of Ray can only be ended with its process."""
    command = [sys.executable, "-c", PROBE, address]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise RequestError(
            f"--address {address}: no Ray cluster answers there within {PATIENCE:g} s; `ray status` shows what runs"
        ) from None


def _carry_out(task: Task) -> Result:
    """A task in a Ray worker, which may have had others before."""
    signals.listen()
    return carry_out(task)
