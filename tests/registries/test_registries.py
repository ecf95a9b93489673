import importlib.util
from dataclasses import dataclass

import pytest

from registries import Registry, RequestError, identify, options_of, parse_options
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
    with pytest.raises(RequestError, match=r"unknown fruit 'aple': did you mean apple"):
        fruit.get("aple")
    with pytest.raises(RequestError, match="there are: apple, apricot, pear"):
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


def test_identity_of_built_in_entries_and_of_files(tmp_path):
    from pruners.methods.snip import snip

    assert identify("snip", 1, snip).origin == "built-in"
    origins = []
    for text in ("def mine():\n    'Mine.'\n", "def mine():\n    'Mine, changed.'\n"):
        path = tmp_path / "my_pruner.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location("my_pruner", path)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        origins.append(identify("mine", 1, module.mine).origin)
    assert origins[0].startswith("sha256:")
    assert origins[0] != origins[1]
