"""What is a fault of the machine, and what a trial did."""

import errno

import pytest

from bench.machine.faults import FaultError, raise_if_of_machine

FAULTS = {
    "raise OSError(5, 'Input/output error')": True,
    "raise MemoryError": True,
    "raise RuntimeError('[enforce fail] DefaultCPUAllocator: can\\'t allocate memory')": True,
    "open('nowhere')": False,
    "raise TimeoutError('my solver took too long')": False,
    "try:\n    open('nowhere')\nexcept OSError:\n    raise ValueError('my table is of no use') from None": False,
    "try:\n    raise OSError(28, 'disk full')\nexcept OSError as error:\n    raise ValueError from error": True,
}


@pytest.mark.parametrize("code", FAULTS)
def test_storage_and_memory_are_faults_and_reasons_of_plug_ins_are_not(tmp_path, code):
    file = tmp_path / "mine.py"
    file.write_text(code)
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        exec(compile(code, str(file), "exec"))
    if FAULTS[code]:
        with pytest.raises(FaultError):
            raise_if_of_machine(caught.value)
    else:
        raise_if_of_machine(caught.value)


def test_a_file_that_the_suite_does_not_find_is_a_fault():
    with pytest.raises(FaultError, match="gone") as caught:
        raise_if_of_machine(FileNotFoundError(errno.ENOENT, "No such file", "gone"))
    assert caught.value.errno == errno.ENOENT
