"""Processes of this machine: kept from trial to trial, and replaced where they are of no more use."""

from concurrent.futures import Future

import pytest

from bench.sweep.local import LocalExecutor
from bench.sweep.task import Result


@pytest.mark.parametrize(
    ("slot", "status", "replaced"),
    [(None, "ok", False), (None, "failed", False), ("0", "failed", True), (None, "interrupted", True)],
)
def test_a_process_that_was_asked_to_leave_or_whose_gpu_may_be_gone_is_replaced(slot, status, replaced):
    executor = LocalExecutor([slot], 1)
    first = executor._pools[0]
    future: Future[Result] = Future()
    future.set_result(Result(status))
    executor._running[future] = 0, 7
    assert executor.wait(1) == [(7, Result(status))]
    assert (executor._pools[0] is not first) == replaced
    assert executor.free == 1
    executor.close()
