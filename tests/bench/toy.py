"""Toy trials for tests."""

from bench.planning import plan
from bench.request import Request


def toy_request(out, **changes):
    values = {"arch": "modl", "pruner": "snip", "size": "toy", "device": "cpu", "out": str(out), **changes}
    return Request(**values)


def toy_plan(out, **changes):
    return plan(toy_request(out, **changes))
