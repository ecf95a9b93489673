"""A metric touches one file: a plug-in's stands in records, and can be compared."""

from bench.cli import main
from bench.evaluation.metrics import metrics
from records.record import FILE, Record

PLUGIN = '''
from bench.evaluation.metrics import metric


@metric(version=1, source="an example", position=20)
def largest_error(pair):
    """The largest error of a pixel, over the largest value of the target."""
    return abs(pair.image - pair.target).max() / pair.target.max()
'''


def test_a_metric_of_a_plug_in_is_recorded_and_compared(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(PLUGIN)
    out = [
        "--plugin",
        str(tmp_path / "mine.py"),
        "--size",
        "toy",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "results"),
    ]
    with metrics.override():  # the plug-in stays in this call
        assert main(["run", "--arch", "modl", "--pruner", "dense", *out]) == 0
    (path,) = (tmp_path / "results").glob(f"*/{FILE}")
    record = Record.read(path)
    assert all(volume["largest_error"] > 0 for volume in record.volumes)
    mean = sum(v["largest_error"] for v in record.volumes if v.split == "knee") / record.metrics["knee"].volumes
    assert abs(record.metrics["knee"]["largest_error"] - mean) < 1e-9
    with metrics.override():
        assert main(["run", "--arch", "modl", "--pruner", "snip", *out]) == 0
    capsys.readouterr()
    rows = ["--a", "modl/snip/at-init/0.9", "--b", "modl/dense", "--metric", "largest_error"]
    assert main(["compare", str(tmp_path / "results"), *rows]) == 0
    assert "modl/snip/at-init/0.9 − modl/dense, largest_error" in capsys.readouterr().out
