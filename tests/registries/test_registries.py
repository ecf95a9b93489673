from dataclasses import dataclass

import pytest

from registries import Registry, RequestError, options_of, parse_options
from registries.registry import key_of


@dataclass(frozen=True)
class Entry:
    name: str


@pytest.fixture
def fruit():
    registry: Registry[Entry] = Registry("fruit", "registries")
    for name in ("apple", "apricot", "pear"):
        registry.add(Entry(name))
    return registry


def test_entries_are_found_by_name_and_pattern(fruit):
    assert fruit.get("pear") == Entry("pear")
    assert fruit.names("ap*") == ("apple", "apricot")
    assert [entry.name for entry in fruit] == ["apple", "apricot", "pear"]


def test_duplicate_names_are_refused(fruit):
    with pytest.raises(RequestError, match="'pear' is registered twice"):
        fruit.add(Entry("pear"))


def test_unknown_names_are_answered_with_the_nearest(fruit):
    with pytest.raises(
        RequestError, match=r"unknown fruit 'aple': did you mean apple or pear\? there are apple, apricot, pear"
    ):
        fruit.get("aple")
    with pytest.raises(RequestError, match="there are apple, apricot, pear"):
        fruit.get("zzz")


def test_key_is_the_function_name_with_hyphens():
    def iter_snip():
        pass

    assert key_of(iter_snip) == "iter-snip"


def test_messages_are_one_line():
    assert str(RequestError("two\n  lines")) == "two lines"


def test_options_are_typed_by_their_defaults():
    def score(problem, batches: int = 8, temperature: float = 0.2, hard: bool = False):
        pass

    defaults = options_of(score)
    assert defaults == {"batches": 8, "temperature": 0.2, "hard": False}
    assert parse_options("x", defaults, {"batches": "3", "hard": "true"}) == {
        "batches": 3,
        "temperature": 0.2,
        "hard": True,
    }
    for name, text in [("batches", "two"), ("batches", "1.5"), ("temperature", "nan"), ("hard", "yes"), ("nope", "1")]:
        with pytest.raises(RequestError):
            parse_options("x", defaults, {name: text})
