"""Where the number of operations counts: a GPU waits for each one to be launched, a CPU does not."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_devices = {"cuda"}


def few_launches(device: torch.device) -> bool:
    """Whether fewer and larger operations are taken there, whose results differ by rounding from one by one."""
    return device.type in _devices


@contextmanager
def few_launches_on(*types: str) -> Iterator[None]:
    """Take them on these types of device alone, for measurements and tests."""
    before = set(_devices)
    _devices.clear()
    _devices.update(types)
    try:
        yield
    finally:
        _devices.clear()
        _devices.update(before)
