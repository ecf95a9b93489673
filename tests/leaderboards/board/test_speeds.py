"""Measured speed on a board: read, published as ratios, shown beside quality."""

import json
from typing import Any

import pytest

from leaderboards.board.build import build_board
from leaderboards.board.questions import questions
from leaderboards.output.formats import speed_cells
from leaderboards.publish import publish
from leaderboards.rows.rows import read_records
from records.record import FILE as RECORD
from records.record import Record
from records.speed import FILE, Ratio, Speed, read_speeds
from registries import RequestError
from tests.leaderboards.boards import make_records, outline

MEASURED: dict[str, Any] = {
    "schema": 1,
    "row": "modl/snip/at-init/0.5",
    "trial": {"size": "toy", "train_on": "knee", "acceleration": 4, "seed": 0},
    "track": "tiny",
    "device": "an abacus",
    "kind": "cpu",
    "mask": "abc",
    "threads": 1,
    "torch": "2",
    "date": "2026-01-01",
    "shape": {"coils": 3, "rows": 32, "columns": 36},
    "runs": 3,
    "difference": 1e-7,
    "macs": {"dense": 1000, "masked": 100, "compacted": 800, "physics": 50},
    "parameters": {"dense": 400, "masked": 400, "compacted": 300},
    "bytes": {"dense": 1600, "sparse": 320, "compacted": 1300},
    "batches": {
        batch: {
            "dense": {"median_ms": 8.0, "quartiles_ms": [7.0, 9.0], "relative": [1.0, 1.0, 1.0], "peak_mib": 10.0},
            "masked": {"median_ms": 8.0, "quartiles_ms": [7.0, 9.0], "relative": [0.9, 1.0, 1.25], "peak_mib": 10.0},
            "compacted": {"median_ms": 4.0, "quartiles_ms": [3.0, 5.0], "relative": [0.4, 0.5, 0.8], "peak_mib": 7.0},
        }
        for batch in ("16", "2")
    },
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory, cache_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        return make_records(tmp_path_factory.mktemp("swept"))


@pytest.fixture
def measured(swept):
    """The records, one of them with a measurement beside it."""
    path, out = swept
    for file in out.glob(f"*/{RECORD}"):
        record = Record.read(file)
        if record.row == MEASURED["row"] and record.trial.seed == 0:
            track = record.trial.resolved.track
            mask = record.to_json()["mask"]["sha256"]
            (file.parent / FILE).write_text(json.dumps([{**MEASURED, "track": track, "mask": mask}]))
    return path, out


def test_ratios_are_dense_over_it(tmp_path):
    speed = Speed.of(MEASURED, tmp_path)
    assert speed.faster("compacted", speed.first) == Ratio(2.0, 1.25, 2.5)
    assert str(speed.faster("compacted", "16")) == "2.00× (1.25–2.50)"
    assert speed.memory("compacted", "2") == 0.7
    assert speed.share("macs", "compacted") == 0.8
    assert speed.share("bytes", "sparse") == 0.2
    assert Speed.of(speed.to_json(), tmp_path) == speed
    assert "_ms" not in json.dumps(speed.to_json())


def test_a_board_shows_speed_beside_quality_and_comes_out_again(measured, tmp_path):
    path, out = measured
    board = publish(outline(path), tmp_path / "tiny", [out])
    head, row = speed_cells(board)
    cells = dict(zip(head, row, strict=True))
    assert cells["row"] == MEASURED["row"]
    assert cells["compacted, faster than dense"] == "2.00× (1.25–2.50) at 2"
    assert cells["at several slices"] == "2.00× (1.25–2.50) at 16"
    assert cells["channels kept"] == "single weights"
    assert cells["file, bit mask and values"] == "20 %"
    assert "to" in cells["knee − dense, dB"]
    files = {path.name: path.read_bytes() for path in (tmp_path / "tiny").iterdir() if path.is_file()}
    assert "an abacus, 1 thread<" in files["index.html"].decode()
    assert (tmp_path / "tiny" / "figures" / "speed.png").exists()
    assert "`speed.json`" in files["README.md"].decode()
    assert "Quality beside measured speed" in files["leaderboard.md"].decode()
    publish(outline(path), tmp_path / "tiny", [])
    assert {path.name: path.read_bytes() for path in (tmp_path / "tiny").iterdir() if path.is_file()} == files


def test_what_was_measured_before_stays(measured, tmp_path):
    path, out = measured
    publish(outline(path), tmp_path / "tiny", [out])
    for file in out.glob(f"*/{FILE}"):
        file.unlink()
    assert len(publish(outline(path), tmp_path / "tiny", [out]).speeds) == 1


def of_records(out, path, **changes):
    """Measurements of rows of the board, under the masks of their records, and the records."""
    masks = {
        record.row: record.to_json()["mask"]["sha256"]
        for record in read_records(out)
        if record.trial.seed == 0 and record.ok
    }
    return [
        Speed.of({**MEASURED, "track": outline(path).track, "row": row, "mask": masks[row], **values}, path)
        for row, values in changes.items()
    ]


def test_the_sentences_tell_weights_from_channels(measured):
    path, out = measured
    slow = {"batches": {"1": MEASURED["batches"]["2"]}}
    rows = {MEASURED["row"]: {}, "modl/random/at-init/0.5": slow}
    speeds = of_records(out, path, **rows)
    changed = []
    for record in read_records(out):
        content = record.to_json()
        if record.row == "modl/random/at-init/0.5":
            content["mask"]["channels"] = {"kept": 2, "total": 8}
        changed.append(Record.of(content))
    board = build_board(changed, outline(path), "here", speeds)
    answers = dict(questions(board))["What does it buy in time and storage?"]
    assert "single weights: as bit mask and values its file is 20 % of dense's" in answers[0]
    assert "2.00× without its empty channels" in answers[0]
    assert "lose less than 0.5 dB" in answers[1]
    assert "the fastest of all is random/at-init/0.5 with 75 % of the parameters: 2.00×" in answers[2]
    assert "2 seeds" in answers[2]


def test_without_measurements_a_board_says_so(measured):
    path, out = measured
    board = build_board(read_records(out), outline(path), "here")
    assert dict(questions(board))["What does it buy in time and storage?"] == ["Nothing was measured yet."]


def test_what_was_measured_of_another_network_is_left_out(measured):
    path, out = measured
    (speed,) = of_records(out, path, **{MEASURED["row"]: {}})
    (other,) = of_records(out, path, **{MEASURED["row"]: {"mask": "another"}})
    assert build_board(read_records(out), outline(path), "here", [speed, other]).speeds == (speed,)


def test_every_device_has_its_row_gpus_first(measured):
    path, out = measured
    speeds = [
        of_records(out, path, **{MEASURED["row"]: {"kind": k, "device": d}})[0]
        for k, d in (("cpu", "A"), ("cuda", "B"))
    ]
    board = build_board(read_records(out), outline(path), "here", speeds)
    assert [row[-1] for row in speed_cells(board)[1:]] == ["B", "A, 1 thread"]
    panel = board.panels[0]
    line = next(line for line in panel.lines if line.name == MEASURED["row"])
    assert [speed.device for speed in board.speeds_of(line, panel)] == ["B", "A"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense", "not a valid measurement"),
        ('{"schema": 9}', "schema 9"),
        ('{"schema": 1}', "no measurement"),
        ("[3]", "no mea"),
        (json.dumps({**MEASURED, "batches": {}}), "no mea"),
        (json.dumps({**MEASURED, "macs": {}}), "no mea"),
        (json.dumps({**MEASURED, "bytes": {"dense": 0, "sparse": 1, "compacted": 1}}), "no mea"),
        (json.dumps(MEASURED).replace("[0.4, 0.5, 0.8]", "[1, 2]"), "no mea"),
    ],
)
def test_other_files_are_named(tmp_path, content, message):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(RequestError, match=message) as error:
        read_speeds([tmp_path], "tiny")
    assert FILE in str(error.value)
