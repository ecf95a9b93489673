"""Toy trials for tests."""

from bench.trials.plan import plan
from bench.trials.request import Request


def toy_request(out, **changes):
    values = {"arch": "modl", "pruner": "snip", "size": "toy", "device": "cpu", "out": str(out), **changes}
    return Request(**values)


def toy_plan(out, **changes):
    return plan(toy_request(out, **changes))
