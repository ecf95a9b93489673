"""What `speed loader` and `speed operators` print."""

import pytest

from bench.cli import main


def test_the_loader_is_timed_against_the_threads_that_read_ahead(capsys):
    assert main(["speed", "loader", "--track", "toy", "--workers", "0", "2", "--batches", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "training slices of coils × rows × columns" in lines[0]
    rows = [[float(cell) for cell in line.strip("| ").split("|")] for line in lines[4:]]
    assert [row[0] for row in rows] == [0, 2]
    assert all(value > 0 for row in rows for value in row[1:])


def test_real_data_have_to_be_named(capsys):
    assert main(["speed", "loader"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("arch", ["modl", "e2e-varnet"])
def test_operators_are_fewer_where_a_gpu_waits_for_them(arch, capsys):
    assert main(["speed", "operators", "--arch", arch, "--size", "toy"]) == 0
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(arch)]
    assert int(row[1]) > int(row[2]) > 100


def test_growth_is_measured_in_slices_and_volumes(capsys):
    assert main(["speed", "growth", "--track", "toy", "--slices", "1", "2", "--volumes", "2"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["1", "1"], ["1", "2"], ["2", "1"]]
    assert all(float(row[-1]) >= float(row[-2]) > 0 for row in rows)
