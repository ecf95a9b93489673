"""Boards from real toy records: nothing is lost, everything is shown, the same bytes come out again."""

import base64
import csv
import hashlib
import html
import io
import json
import random
import re
import shutil
import zlib
from dataclasses import replace

import pytest

from bench.cli import main
from leaderboards.board.build import build_board
from leaderboards.board.papers import read_references
from leaderboards.board.questions import questions
from leaderboards.board.values import under_trained
from leaderboards.output.formats import contrast_cells, latex, panel_cells, results_csv
from leaderboards.page.build import command, page
from leaderboards.publish import publish
from leaderboards.rows.lengths import OVERFITTING, UNDER_TRAINED, Length
from leaderboards.rows.rows import Condition, read_records
from records.archive import read_archive, write_archive
from records.fields import leaves
from records.grid import Outline
from records.record import FILE, Record
from registries import RequestError
from tests.leaderboards.boards import FAILED, LONG, make_records, outline
from tests.records.contents import with_means, with_sparsity


@pytest.fixture(scope="module")
def swept(tmp_path_factory, cache_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        return make_records(tmp_path_factory.mktemp("swept"))


@pytest.fixture(scope="module")
def board(swept):
    path, out = swept
    return build_board(read_records(out), outline(path), "here")


@pytest.fixture(scope="module")
def published(swept, tmp_path_factory):
    path, out = swept
    folder = tmp_path_factory.mktemp("board") / "tiny"
    publish(outline(path), folder, [out])
    return folder


def contents(records):
    return sorted(json.dumps(record.to_json(), sort_keys=True) for record in records)


def test_the_archive_loses_nothing_also_when_it_is_split(swept, tmp_path, monkeypatch):
    records = read_records(swept[1])
    assert {record.status for record in records} == {"ok", "failed", "skipped"}
    write_archive(tmp_path, records)
    assert contents(read_archive(tmp_path)) == contents(records)
    whole = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(whole) == {"records.parquet", "volumes.parquet"}
    write_archive(tmp_path, records[::-1])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == whole
    monkeypatch.setattr("records.archive.MOST_BYTES", 12_000)
    parts = write_archive(tmp_path, records)
    assert len(parts) > 2
    assert contents(read_archive(tmp_path)) == contents(records)


def test_a_damaged_archive_is_named(swept, tmp_path):
    write_archive(tmp_path, read_records(swept[1]))
    (tmp_path / "volumes.parquet").write_bytes(b"nonsense")
    with pytest.raises(RequestError, match=r"volumes\.parquet: is not a valid Parquet file"):
        read_archive(tmp_path)


def test_every_cell_of_the_grid_has_a_line_or_a_reason(board, swept):
    panel, _ = board.panels
    lines = {line.name: line for line in panel.lines}
    assert set(lines) == {cell.row for cell in outline(swept[0]).cells if not cell.row.conditions}
    assert lines["modl/snip/at-init/0.5"].seeds == (0, 1)
    assert lines["modl/rigl/at-init/0.5"].notes[0].startswith("n/a: pruner 'rigl' does not exist at timing")
    assert lines[FAILED].notes == ("failed: on purpose",)
    assert not lines[FAILED].scores
    dense = lines["modl/dense"]
    assert dense.rank_inside is not None
    assert dense.rank_inside >= 1
    assert Condition("knee", "noise-20") in lines["modl/snip/at-init/0.5"].changes
    assert Condition("knee", "noise-20") not in lines["modl/pun/at-init/0.5"].scores


def test_trainings_of_another_length_have_a_table_and_a_contrast_of_their_own(board):
    _, panel = board.panels
    assert str(panel.setting).endswith("cpu, train.steps=20")
    assert {line.name for line in panel.lines} == {f"modl/dense{LONG}", f"modl/snip/at-init/0.5{LONG}"}
    snip = next(line for line in panel.lines if line.name.pruner == "snip")
    dense = next(line for line in panel.lines if line.name.pruner == "dense")
    inside = Condition("knee")
    change = float(snip.scores[inside].mean) - float(dense.scores[inside].mean)
    assert float(snip.changes[inside].mean) == pytest.approx(change)
    assert [(one.a, one.b) for one in board.contrasts] == [
        ("modl/snip/at-init/0.5", "modl/dense"),
        (f"modl/snip/at-init/0.5{LONG}", f"modl/dense{LONG}"),
    ]


def test_scores_and_changes_are_those_of_the_records(board, swept):
    records = [r for r in read_records(swept[1]) if r.ok and r.row in ("modl/snip/at-init/0.5", "modl/dense")]
    line = next(line for line in board.panels[0].lines if line.name == "modl/snip/at-init/0.5")
    means = {
        row: [r.to_json()["metrics"]["knee"]["psnr"] for r in records if r.row == row]
        for row in ("modl/snip/at-init/0.5", "modl/dense")
    }
    snip, dense = (sum(values) / 2 for values in means.values())
    assert float(line.scores[Condition("knee")].mean) == pytest.approx(snip)
    assert float(line.changes[Condition("knee")].mean) == pytest.approx(snip - dense)


def test_the_head_counts_the_grid_and_says_that_it_is_simulated(board):
    head = board.head
    assert (head.finished, head.failed, head.skipped, head.expected) == (13, 1, 2, 17)
    assert head.kind == "simulated"
    assert head.steps == "12"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", head.date)
    assert under_trained(head) == ()  # nobody to validate on, so nothing is known


def test_contrasts_without_rows_are_missing_and_few_seeds_claim_nothing(board):
    assert board.missing == ("modl/lottery/at-init/0.5 − modl/dense, knee",)
    (_, line, _) = contrast_cells(board)
    assert line[-1] == "too few seeds"
    answers = dict(questions(board))
    text = " ".join(answers["Does pruning at initialization beat dense?"])
    assert "too few seeds for a claim" in text
    assert "1 confirmatory contrasts have no finished rows yet" in text
    assert "search" not in text


def with_verdict(record, **verdict):
    content = record.to_json()
    content["mask"] |= {"disconnected": verdict.pop("disconnected", [])}
    if verdict:
        losses = ("soft_loss", "hard_loss", "random_loss", "lowest_random_loss", "unpruned_loss", "divergence")
        content["mask"]["search"] = {**dict.fromkeys(losses, 0.1), "failed": False, **verdict}
    return Record.of(content)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ({"disconnected": ["denoiser"]}, "disconnected"),
        ({"failed": True}, "search failed"),
        ({"not_converged": True}, "search not converged"),
    ],
)
def test_seeds_that_say_nothing_are_counted_and_in_no_figure(swept, verdict, words):
    """One of two seeds: the row shows the other one, and its contrast is withdrawn."""
    path, out = swept
    name, records = "modl/snip/at-init/0.5", read_records(out)
    changed = [with_verdict(r, **verdict) if r.row == name and r.trial.seed == 1 else r for r in records]
    found = build_board(changed, outline(path), "here")
    line = next(line for line in found.panels[0].lines if line.name == name)
    assert line.seeds == (0,)
    assert line.notes[0] == f"{words} in 1 of 2 seeds, left out"
    assert [one.a for one in found.contrasts] == [f"{name}{LONG}"]
    assert found.withdrawn == (f"{name} − modl/dense, knee (too many seeds of {name} are left out)",)
    assert found.family == 3
    text = " ".join(dict(questions(found))["Does pruning at initialization beat dense?"])
    assert f"No verdict: {found.withdrawn[0]}." in text
    gone = [with_verdict(r, **verdict) if r.row == name else r for r in records]
    line = next(line for line in build_board(gone, outline(path), "here").panels[0].lines if line.name == name)
    assert (line.seeds, line.notes) == ((), (f"{words} in 2 of 2 seeds, left out",))


def test_a_row_of_which_nothing_counts_is_withdrawn_and_not_missing(swept):
    """Also where it has a table of its own, of which nothing else is left either."""
    path, out = swept
    asked, partner = f"modl/snip/at-init/0.5{LONG}", f"modl/dense{LONG}"
    records = [with_verdict(r, failed=True) if r.row == asked else r for r in read_records(out) if r.row != partner]
    found = build_board(records, outline(path), "here")
    assert found.withdrawn == (f"{asked} − {partner}, knee (too many seeds of {asked} are left out)",)
    assert all(asked not in name for name in found.missing)


def test_a_contrast_is_taken_from_the_table_of_its_own_length_whatever_else_is_there(swept):
    """Without rows of its own length it is missing, not answered by the others."""
    path, out = swept
    records = [record for record in read_records(out) if LONG not in record.row]
    found = build_board(records, outline(path), "here")
    assert f"modl/snip/at-init/0.5{LONG} − modl/dense{LONG}, knee" in found.missing
    assert [one.a for one in found.contrasts] == ["modl/snip/at-init/0.5"]


@pytest.mark.parametrize("above", [-1.0, 1.0])
def test_sentences_keep_to_the_anatomy_of_the_training_where_dense_is_below_cg_sense_on_the_other(swept, above):
    path, out = swept
    records = []
    for record in read_records(out):
        content = record.to_json()
        if record.ok:
            content["baselines"]["cg_sense"]["brain"]["psnr"] = content["metrics"]["brain"]["psnr"] - above
        records.append(Record.of(content))
    answers = dict(questions(build_board(records, outline(path), "here")))
    said = "Nothing is said about generalization where modl/dense is below CG-SENSE on brain"
    assert (said in " ".join(answers["Does pruning at initialization beat dense?"])) == (above < 0)
    controls = " ".join(answers["Do the masks beat their shuffled selves?"])
    assert "knee " in controls
    assert ("brain " in controls) == (above > 0)


def test_sentences_say_how_well_dense_is_trained_at_that_length(board):
    plain = dict(questions(board))["Does pruning at initialization beat dense?"]
    lengths = tuple(
        Length("modl", steps, (0, 1), 30.0, 0.1, 0.1, {}, state)
        for steps, state in ((12, UNDER_TRAINED), (20, OVERFITTING))
    )
    told = replace(board, head=replace(board.head, lengths=lengths))
    text = " ".join(dict(questions(told))["Does pruning at initialization beat dense?"])
    assert "modl/snip/at-init/0.5 against modl/dense (dense at 12 steps: under-trained): " in text
    assert f"modl/snip/at-init/0.5{LONG} against modl/dense{LONG} (dense at 20 steps: overfitting): " in text
    assert "steps: " not in " ".join(plain)


def test_tables_hold_the_same_figures(board):
    found = list(csv.DictReader(io.StringIO(results_csv(board))))
    snip = next(
        r for r in found if r["row"] == "modl/snip/at-init/0.5" and r["split"] == "knee" and r["shift"] == "none"
    )
    line = next(line for line in board.panels[0].lines if line.name == "modl/snip/at-init/0.5")
    assert float(snip["psnr"]) == pytest.approx(float(line.scores[Condition("knee")].mean), rel=1e-5)
    assert {r["row"] for r in found} == {line.name for panel in board.panels for line in panel.lines}
    text = latex(panel_cells(board.panels[0], board.panels[0].lines), "all & more")
    assert r"\caption{all \& more}" in text
    assert text.count(r"\\") == len(board.panels[0].lines) + 1
    assert "mask has seen" in text


def test_a_board_is_written_whole_and_comes_out_again_byte_by_byte(published, swept, tmp_path):
    files = {str(path.relative_to(published)): path.read_bytes() for path in published.rglob("*") if path.is_file()}
    wanted = {
        "README.md",
        "index.html",
        "leaderboard.md",
        "results.csv",
        "tables.tex",
        "records.parquet",
        "volumes.parquet",
    }
    assert wanted <= set(files)
    assert {
        f"figures/{name}.{suffix}" for name in ("overview", "cost", "sparsity") for suffix in ("svg", "png")
    } <= set(files)
    assert any(name.startswith("examples/") for name in files)
    assert all(len(content) < 2_000_000 for content in files.values())
    again = tmp_path / "tiny"
    again.mkdir()
    for name, content in files.items():
        if name.endswith(".parquet") or name.startswith("examples/"):
            (again / name).parent.mkdir(exist_ok=True)
            (again / name).write_bytes(content)
    publish(outline(swept[0]), again, [])
    assert {str(p.relative_to(again)): p.read_bytes() for p in again.rglob("*") if p.is_file()} == files


def test_of_controls_alone_a_board_shows_what_there_is(swept, tmp_path):
    """No row has a cost or a change that could be drawn."""
    path, out = swept
    for folder in out.glob("modl-snip-at-init-0.5+*"):
        shutil.copytree(folder, tmp_path / "results" / folder.name)
    publish(outline(path), tmp_path / "board", [tmp_path / "results"])
    assert "modl/snip/at-init/0.5+shuffle" in (tmp_path / "board" / "leaderboard.md").read_text(encoding="utf-8")
    assert not (tmp_path / "board" / "figures" / "cost.png").exists()


def rows_of(page):
    """What the script of a page unpacks."""
    return zlib.decompress(base64.b64decode(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])).decode()


def test_the_page_asks_nobody_and_holds_every_row(published, board):
    text = (published / "index.html").read_text()
    data = json.loads(rows_of(text))
    assert {line["row"] for line in data["lines"]} == {line.name for panel in board.panels for line in panel.lines}
    snip = next(line for line in data["lines"] if line["row"] == "modl/snip/at-init/0.5")
    assert snip["command"].startswith("python -m bench run --arch modl --pruner snip --timing at-init --sparsity 0.5")
    assert "--plugin" not in snip["command"]
    place = data["conditions"].index(["brain", "none"])
    figures = next(found for found in snip["figures"] if found[0] == place)
    wanted = next(line for line in board.panels[0].lines if line.name == snip["row"])
    assert figures[3] == pytest.approx(float(wanted.scores[Condition("brain")].mean), abs=1e-3)
    assert figures[6] == pytest.approx(float(wanted.changes[Condition("brain")].mean), abs=1e-3)
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "Simulator study" in text


def with_more_rows(records, number):
    """Records of a toy board and so many more of each seed of a row, with other sparsities and scores."""
    draw = random.Random(0)
    more = []
    for record in (one for one in records if one.row == "modl/snip/at-init/0.5"):
        for place in range(number):
            sparsity = f"0.6{place:03d}"
            content = with_sparsity(record.to_json(), sparsity)
            content["trial"]["sparsity"] = sparsity
            for volume in content["volumes"]:
                volume["psnr"] += draw.gauss(0, 0.3)
            more.append(Record.of(with_means(content)))
    return [*records, *more]


def test_a_trial_takes_few_bytes_of_the_page_and_as_long_among_many(swept, tmp_path, monkeypatch):
    """Ten thousand trials have to fit into 5 MB, of which two are the figures and the library."""
    path, out = swept
    records, looked_at = read_records(out), []

    def watched(*part):
        looked_at.append(part)
        return leaves(*part)

    monkeypatch.setattr("records.setting.leaves", watched)
    sizes, looks = [], []
    for number in (0, 40, 80):
        board = build_board(with_more_rows(records, number), outline(path), "here")
        sizes.append(len(page(board, [], [], tmp_path).encode()))
        looks.append(len(looked_at))
        looked_at.clear()
    assert 0 < (sizes[2] - sizes[1]) / 80 < 300
    assert looks[2] - looks[1] <= 1.1 * (looks[1] - looks[0])


def test_a_command_names_what_its_row_needs(swept):
    """Settings, and a file for each plug-in that its entries came from."""
    path, out = swept
    records = []
    for record in read_records(out):
        content = record.to_json()
        if record.row == "modl/snip/at-init/0.5":
            for entry in content["provenance"]["entries"]:
                entry["origin"] = "sha256:" + "0" * 64 if entry["name"] == "snip" else entry["origin"]
        records.append(Record.of(content))
    panel = build_board(records, outline(path), "here").panels[0]
    line = next(line for line in panel.lines if line.name == "modl/snip/at-init/0.5")
    assert command(line, panel, build_board(records, outline(path), "here").head).count(" --plugin FILE") == 1


def test_the_policy_of_the_page_allows_its_own_scripts_alone(published):
    text = (published / "index.html").read_text(encoding="utf-8")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert re.findall(r"'sha256-([^']*)'", policy) == hashes
    assert len(hashes) == 2
    assert policy.startswith("default-src 'none'")


CODE = "<img src=x onerror=alert(1)><!--<script>"


def test_text_of_records_is_no_code_in_any_output(swept, tmp_path):
    """In the name of a row, and as the reason of a failure."""
    path, out = swept
    changed = []
    for record in read_records(out):
        content = record.to_json()
        if record.status == "failed":
            content["reason"] = f"{CODE} $(touch x) | =1+1"
        changed.append(Record.of(content))
    folder = tmp_path / "records"
    write_archive(folder, changed)
    publish(outline(path), tmp_path / "tiny", [folder])
    for name in ("index.html", "leaderboard.md"):
        text = (tmp_path / "tiny" / name).read_text(encoding="utf-8")
        assert "onerror" in (rows_of(text) if name == "index.html" else text)
        assert "<img src=x" not in text
        assert "<!--<script>" not in text


def spoiled(records, change):
    content = records[0].to_json()
    change(content)
    return [Record.of(content), *records[1:]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["trial"]["resolved"].update(track="other"), "holds records of other, tiny"),
        (lambda c: c["trial"].update(protocol="equal-total"), "mixes the protocols"),
        (lambda c: c["provenance"]["data"].update(kind="real"), "mixes simulated and real data"),
        (lambda c: c["provenance"]["data"].update(identity="another"), "2 different sets of data"),
        (lambda c: c["provenance"].update(dirty=True, sources="another"), "edits of the suite's sources"),
    ],
)
def test_records_that_do_not_belong_together_are_refused(swept, change, message):
    finished = [record for record in read_records(swept[1]) if record.ok]
    with pytest.raises(RequestError, match=message):
        build_board(spoiled(finished, change), outline(swept[0]), "here")


def test_bad_requests_end_in_one_line(swept, tmp_path, capsys):
    path, out = swept
    broken = tmp_path / "broken" / "trial"
    broken.mkdir(parents=True)
    (broken / FILE).write_text("{")
    for arguments in (
        ["leaderboard", path, "--out", tmp_path / "nothing"],
        ["leaderboard", path, "--records", tmp_path / "nothing", "--out", tmp_path / "board"],
        ["leaderboard", path, "--records", broken.parent, "--out", tmp_path / "board"],
        ["leaderboard", "demo", "--records", out, "--out", tmp_path / "board"],
        ["leaderboard", "nothing"],
    ):
        assert main([str(argument) for argument in arguments]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "board").exists()


def test_a_board_counts_as_records_for_sweeps(swept, published, tmp_path, capsys):
    assert (
        main(
            [
                "sweep",
                str(swept[0]),
                "--records",
                str(published),
                "--dry-run",
                "--out",
                str(tmp_path / "o"),
                "--device",
                "cpu",
            ]
        )
        == 0
    )
    assert "13 recorded elsewhere, 2 pending" in capsys.readouterr().out


def test_an_outline_of_another_track_is_refused(swept):
    with pytest.raises(RequestError, match="not of track 'another'"):
        build_board(read_records(swept[1]), Outline("another", (), ()), "here")


def test_figures_of_papers_are_not_verified_unless_somebody_did():
    found = read_references()
    assert len(found) == 9
    assert not any(reference.verified for reference in found)
    assert all(reference.source and reference.caveat for reference in found)
