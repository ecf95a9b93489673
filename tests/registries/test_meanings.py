"""Every option that a user may set says what it means, in the docstring of its entry."""

import pytest

from architectures import architectures
from bench.cli import main
from bench.tracks.settings import TrainingSettings
from bench.tracks.track import MapSettings
from pruners import pruners
from registries.meanings import meanings_of

PLUGIN = """
from pruners import pruner

@pruner(timings=("at-init",), version=1, source="a test")
def terse(problem, strength: int = 3):
    "Says nothing of its option."
"""


def example(one: int = 1, two: int = 2, three: int = 3, four: int = 4) -> None:
    """Do nothing.

    Parameters
    ----------
    one : int
        The first,
        on two lines.
    two, three : int
        Both.
    four : int

    Returns
    -------
    None
        Not a parameter.
    """


def test_meanings_are_read_from_the_section_of_parameters():
    assert meanings_of(example) == {"one": "The first, on two lines.", "two": "Both.", "three": "Both."}
    assert meanings_of(lambda: None) == {}


@pytest.mark.parametrize("name", pruners.names())
def test_every_option_of_a_pruner_has_a_meaning(name):
    entry = pruners.get(name)
    for timing in entry.timings:
        for option in (*entry.options, *entry.common_options(timing)):
            meaning = entry.meanings.get(option, "")
            assert len(meaning) > 10, option
            assert not meaning.startswith(("See ", "As for")), option


@pytest.mark.parametrize("name", architectures.names())
def test_every_option_of_an_architecture_has_a_meaning(name):
    entry = architectures.get(name)
    assert set(entry.options) <= set(meanings_of(entry.construct))


def test_every_setting_of_a_track_has_a_meaning():
    for settings in (TrainingSettings, MapSettings):
        assert set(settings.__dataclass_fields__) <= set(meanings_of(settings))


def test_list_gives_each_option_with_default_and_meaning_in_one_line(capsys):
    assert main(["list", "pruners", "-v"]) == 0
    out = capsys.readouterr().out
    for entry in pruners:
        for option in entry.options:
            text = entry.meanings[option].replace("``", "")
            assert any(f"pruner.{option}=" in line and line.endswith(text) for line in out.splitlines()), option
    assert main(["list", "tracks", "-v"]) == 0
    assert "train.clip=1.0             Largest norm of the gradient." in capsys.readouterr().out


def test_an_option_without_meaning_is_listed_with_its_default(capsys, tmp_path):
    (tmp_path / "plugin.py").write_text(PLUGIN)
    with pruners.override():
        assert main(["list", "pruners", "-v", "--plugin", str(tmp_path / "plugin.py")]) == 0
    assert "pruner.strength=3\n" in capsys.readouterr().out
