"""Sweeps of tests are small: nobody need measure what they take."""

import pytest

from bench.sweep.needs import Needs


@pytest.fixture(autouse=True)
def _nothing_to_measure(monkeypatch):
    for module in ("placement", "needs"):
        monkeypatch.setattr(f"bench.sweep.{module}.measure", lambda cells, plugins: Needs(0, 0))
