"""One driver per store, also where the file system has no locks."""

import errno
import os

import pytest
from filelock import FileLock, SoftFileLock

from bench.sweep.lock import HOLDER, describe, holder, is_driven, only_driver
from bench.sweep.status import Status, read_status
from registries import RequestError


@pytest.fixture(params=[None, errno.ENOLCK, errno.EOPNOTSUPP], ids=["locks", "ENOLCK", "EOPNOTSUPP"])
def file_system(request, monkeypatch):
    """Of a kind that has locks, or that answers so when asked for one."""

    def refuse(*arguments, **options):
        raise OSError(request.param, os.strerror(request.param))

    if request.param:
        assert not issubclass(SoftFileLock, FileLock)
        monkeypatch.setattr(FileLock, "acquire", refuse)
    return request.param


def test_a_second_driver_is_refused_and_the_first_one_named(tmp_path, capsys, file_system):
    with only_driver(tmp_path, "mine"):
        if file_system:
            assert (
                capsys.readouterr().err == f"bench: {tmp_path}: this file system has no locks; a file stands for one\n"
            )
            (tmp_path / "driver.lock").touch()  # as the attempt leaves it
        assert is_driven(tmp_path)
        with pytest.raises(RequestError, match=f"in use by the sweep of track mine, process {os.getpid()}") as caught:
            only_driver(tmp_path, "other").__enter__()
        assert (f"if it was killed, remove {tmp_path / 'driver.soft-lock'}" in str(caught.value)) == bool(file_system)
    assert not is_driven(tmp_path)
    with only_driver(tmp_path, "other"):
        assert holder(tmp_path)["track"] == "other"


def test_other_faults_of_the_file_system_are_not_hidden(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        only_driver(tmp_path, "mine").__enter__()


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"track": "a"}', "\0"])
def test_a_damaged_note_names_no_driver(tmp_path, text):
    (tmp_path / HOLDER).write_text(text)
    assert describe(holder(tmp_path)) == "another sweep"


def test_a_damaged_status_is_named(tmp_path):
    Status("mine", {"ok": 1}, {}, {}, None, 0.0).write(tmp_path)
    assert read_status(tmp_path, "mine").counts == {"ok": 1}
    (path,) = tmp_path.glob("*/mine.json")
    whole = path.read_text()
    for text in ("[" * 100_000, "{}", whole.replace('"ok": 1', '"ok": "x"'), whole.replace('"mine"', "NaN")):
        path.write_text(text)
        with pytest.raises(RequestError, match=r"mine\.json: is not a valid status of a sweep"):
            read_status(tmp_path, "mine")
    with pytest.raises(RequestError, match="holds no sweep of track 'other'; there are mine"):
        read_status(tmp_path, "other")
