"""Signals ask to leave; that is no code of somebody's that changes the process."""

import signal

import pytest

from bench.cli import main
from bench.machine import signals
from bench.machine.process import kept_process


@pytest.fixture
def listening():
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signals.listen()
    yield
    signals.listen()  # nobody has asked
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_signal_in_a_stage_is_no_meddling(listening):
    with kept_process("train"):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        signals.check()


def test_the_first_signal_asks_and_an_interrupt_after_it_interrupts_at_once(listening):
    signal.raise_signal(signal.SIGINT)
    assert signals.asked()
    signal.raise_signal(signal.SIGTERM)  # a scheduler may ask more than once
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_command_without_memory_ends_in_one_line(monkeypatch, capsys):
    def exhausted(chosen):
        raise MemoryError

    monkeypatch.setattr("bench.cli.list.execute", exhausted)
    assert main(["list"]) == 2
    assert capsys.readouterr().err == "bench: Cannot allocate memory; give the same command with more of it\n"
