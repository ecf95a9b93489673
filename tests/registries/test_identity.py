"""Whose code an entry is: everything of a user's own that it runs, as it was run."""

import hashlib
import importlib.metadata
import sys
from pathlib import Path

import pytest

from registries import RequestError, identify, load_plugin, modules

MINE = "import helper\n\ndef mine():\n    'Mine.'\n    from parts import inner\n    return helper.VALUE, inner.VALUE\n"
FILES = {
    "mine.py": MINE,
    "helper.py": "import deeper\nVALUE = deeper.VALUE\n",
    "deeper.py": "VALUE = 1\n",
    "parts/__init__.py": "",
    "parts/inner.py": "from .innermost import VALUE\n",
    "parts/innermost.py": "VALUE = 1\n",
    "bystander.py": "VALUE = 1\n",
}


@pytest.fixture
def new_process(monkeypatch):
    """What is imported and read counts anew at each call, as in a new process."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)

    def begin():
        for name in set(sys.modules) - before:
            if modules.is_own(Path(getattr(sys.modules[name], "__file__", None) or "/site-packages")):
                del sys.modules[name]
        modules._read.clear()

    yield begin
    begin()


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def entry(path):
    """The function `mine` of a plug-in that was loaded."""
    load_plugin(path)
    return next(m.mine for n, m in sys.modules.items() if n.startswith("plugin_") and m.__file__ == str(path))


def origin(path):
    return identify("mine", 1, entry(path)).origin


def test_built_in_entries_are_built_in():
    from pruners.methods.snip import snip

    assert identify("snip", 1, snip).origin == "built-in"


def test_a_file_that_imports_nothing_of_a_users_own_is_its_hash(tmp_path, new_process):
    text = "import json\nimport numpy\nimport torch\nfrom pruners import pruner\n\ndef mine():\n    'Mine.'\n"
    write(tmp_path, {"mine.py": text})
    new_process()
    assert origin(tmp_path / "mine.py") == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@pytest.mark.parametrize("edited", sorted(FILES))
def test_whatever_an_entry_imports_is_part_of_it(edited, tmp_path, monkeypatch, new_process):
    """Also inside of functions, in packages, and what that imports; from any working folder, and after it moved."""
    write(tmp_path / "here", FILES)
    write(tmp_path / "there", {**FILES, edited: FILES[edited] + "# edited\n"})
    monkeypatch.chdir("/")
    new_process()
    mine = entry(tmp_path / "here" / "mine.py")
    assert mine() == (1, 1)
    before = identify("mine", 1, mine).origin
    new_process()
    sys.path.remove(str(tmp_path / "here"))
    assert (origin(tmp_path / "there" / "mine.py") == before) == (edited == "bystander.py")


def test_what_runs_is_what_was_hashed(tmp_path, new_process):
    """An edit after the import, of what is imported later, neither runs nor counts: even if compiled."""
    write(tmp_path, FILES)
    new_process()
    mine = entry(tmp_path / "mine.py")
    before = identify("mine", 1, mine).origin
    write(tmp_path, {"parts/innermost.py": "VALUE = 2\n", "deeper.py": "VALUE = 2\n"})
    assert mine() == (1, 1)
    assert identify("mine", 1, mine).origin == before
    new_process()
    mine = entry(tmp_path / "mine.py")
    assert mine() == (2, 2)
    assert identify("mine", 1, mine).origin != before


def test_a_namesake_of_a_module_beside_a_plug_in_is_refused(tmp_path, new_process):
    for place in ("here", "there"):
        write(tmp_path / place, FILES)
    new_process()
    load_plugin(tmp_path / "here" / "mine.py")
    with pytest.raises(RequestError, match=r"'import helper' takes .*here/helper.py, not helper.py beside it"):
        load_plugin(tmp_path / "there" / "mine.py")


def test_an_editable_install_is_its_version_and_its_sources(tmp_path, monkeypatch, new_process):
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {"parts": ["shelf"], "h5py": ["h5py"]})
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.0")
    origins = []
    for value in (1, 1, 2):
        write(tmp_path, {**FILES, "parts/entry.py": "from parts.innermost import VALUE\n\ndef mine():\n    'Mine.'\n"})
        write(tmp_path, {"parts/innermost.py": f"VALUE = {value}\n"})
        new_process()
        monkeypatch.syspath_prepend(tmp_path)
        modules.read_once()
        from parts.entry import mine  # type: ignore[import-not-found]

        origins.append(identify("mine", 1, mine).origin)
    assert origins[0].startswith("shelf==1.0 sha256:")
    assert origins[0] == origins[1] != origins[2]
    import h5py

    assert identify("file", 1, h5py.File).origin == "h5py==1.0"
