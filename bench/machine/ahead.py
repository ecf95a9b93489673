"""Computing ahead of its use, in threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")


def ahead(compute: Callable[[Given], Found], inputs: Iterable[Given], threads: int) -> Iterator[Found]:
    """Results in the order of the inputs; each thread is one of them ahead, and one more is ready.

    What a thread raises is raised in the place of its result. Whoever stops early leaves no thread behind.
    """
    if not threads:
        yield from map(compute, inputs)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    waiting: deque[Future[Found]] = deque()
    try:
        for given in inputs:
            waiting.append(pool.submit(compute, given))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
