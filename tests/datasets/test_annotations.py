import re

import pytest

from bench.cli import main
from datasets.annotations import Annotation, read_annotations, read_table
from datasets.annotations_report import check_match, describe_tables
from datasets.errors import DataError
from datasets.manifest import open_manifest
from datasets.roots import open_root
from datasets.simulated import Simulation
from datasets.simulated.generate import simulate
from datasets.splits import TRAINING_SETS, UnavailableError, splits, training_set
from registries import RequestError

HEADER = "file,slice,study_level,x,y,width,height,label\n"


def write_tables(folder, rows, reviewed="a\nb\nKnee data\n"):
    folder.mkdir(exist_ok=True)
    (folder / "knee.csv").write_text(HEADER + rows)
    (folder / "knee_file_list.csv").write_text(reviewed)
    return folder


def test_tables_are_read_whole(tmp_path):
    rows = "a,3,No,10,20,5,6,Joint Effusion \na,,Yes,,,,,artifact\na,1,No,1,-1,5,0,Meniscus Tear\n".replace(
        "a,,", "a,0,"
    )
    found = read_annotations(write_tables(tmp_path, rows))
    assert found.reviewed == {"a", "b"}
    effusion, study, broken = found.rows["a"]
    assert effusion == Annotation("a", 3, False, 10, 20, 5, 6, "Joint Effusion", 2)
    assert study.study_level
    assert not study.malformed()
    assert broken.malformed()


def test_boxes_are_flipped_up_down():
    box = Annotation("a", 0, False, 10, 20, 5, 6, "x", 2)
    rows, columns = box.array_box(100)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (74, 80, 10, 15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,slice,x\n", "lacks the columns study_level, y, width, height, label"),
        (HEADER + "a,one,No,1,2,3,4,x\n", "line 2 is no fastMRI"),
        (HEADER + "a,1,No,1,2\n", "line 2 is no fastMRI"),
    ],
)
def test_broken_tables_are_named_with_their_line(tmp_path, text, message):
    (tmp_path / "knee.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "knee.csv")


ROW = "a,1,No,1,2,3,4,Mass\n"
UNREADABLE = {
    "quote": (ROW + 'a,1,No,1,2,3,4,"Mass\n' + ROW, "line 3 is no fastMRI+ annotation: are its quotes closed?"),
    "NUL": (ROW + "a,1,No,1,2,3,4,Ma\0ss\n", "line 3 holds NUL bytes"),
    "slice below": ("a,-1,No,1,2,3,4,Mass\n", "line 2 is no fastMRI+ annotation: no volume has a slice -1"),
    "slice beyond": ("\na,1000000000,No,1,2,3,4,Mass\n", "line 3 is no fastMRI+ annotation: no volume has a slice 10"),
    "box beyond": (
        "a,1,No,1,2,3,1000000000,Mass\n",
        "line 2 is no fastMRI+ annotation: no image has the box 1, 2, 3, 10",
    ),
    "no label": (ROW + "a,1,No,1,2,3,4, \n", "line 3 is no fastMRI+ annotation: its label is empty"),
    "no file": (",1,No,1,2,3,4,Mass\n", "line 2 is no fastMRI+ annotation: its file is empty"),
    "a comma in the label": (
        "a,1,No,1,2,3,4,Mass, large\n",
        "line 2 is no fastMRI+ annotation: 9 fields under 8 columns",
    ),
    "level": ("a,1,maybe,1,2,3,4,Mass\n", "line 2 is no fastMRI+ annotation: study_level is 'maybe'"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_bytes_that_a_table_should_not_hold_are_named_with_their_line(tmp_path, name, capsys):
    rows, words = UNREADABLE[name]
    write_tables(tmp_path, rows)
    assert main(["data", "annotations", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"knee.csv: {words}" in line


@pytest.mark.parametrize(("text", "words"), [("a\n\0b\n", "line 2 holds NUL"), ('a\nb\n"c\nd\n', "line 3 is no name")])
def test_so_are_those_of_a_list_of_files(tmp_path, text, words, capsys):
    write_tables(tmp_path, ROW, text)
    assert main(["data", "annotations", str(tmp_path)]) == 2
    assert f"knee_file_list.csv: {words}" in capsys.readouterr().err


def test_a_mark_of_the_byte_order_is_no_part_of_a_table(tmp_path):
    """Spreadsheets write it."""
    write_tables(tmp_path, ROW)
    plain = read_annotations(tmp_path)
    for name in ("knee.csv", "knee_file_list.csv"):
        (tmp_path / name).write_text((tmp_path / name).read_text(), encoding="utf-8-sig")
    assert read_annotations(tmp_path) == plain
    (tmp_path / "knee_file_list.csv").write_bytes("a\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"knee_file_list\.csv: cannot be read as text"):
        read_annotations(tmp_path)


def test_quoted_labels_may_hold_commas(tmp_path):
    write_tables(tmp_path, 'a,1,No,1,2,3,4,"Mass, large"\n')
    assert read_annotations(tmp_path).rows["a"][0].label == "Mass, large"


def test_tables_that_are_missing_are_named(tmp_path):
    with pytest.raises(DataError, match="holds no fastMRI"):
        read_annotations(tmp_path)
    (tmp_path / "knee.csv").write_text(HEADER)
    with pytest.raises(DataError, match=r"knee_file_list\.csv: is missing"):
        read_annotations(tmp_path)


def test_real_tables_are_accounted_for(real_annotations):
    tables = {name: read_table(real_annotations / f"{name}.csv") for name in ("knee", "brain")}
    assert {name: len(rows) for name, rows in tables.items()} == {"knee": 16167, "brain": 8213}
    reviewed = read_annotations(real_annotations).reviewed
    assert "file1000000" in reviewed
    assert "Knee data" not in reviewed


@pytest.mark.parametrize(
    ("labels", "status"),
    [
        ([], "clean"),
        (["Normal for age"], "clean"),
        (["Normal variant", "Normal for age"], "clean"),
        (["Mass"], "finding"),
        (["Normal for age", "Mass"], "finding"),
        (["artifact"], "unknown"),
        (["Motion artifact", "Mass"], "finding"),
        (None, "unknown"),
    ],
)
def test_status_of_a_volume(tmp_path, simulated_root, labels, status):
    volume = open_manifest(open_root(simulated_root)).select("knee", "multicoil_val")[0]
    stem = volume.file_name.removesuffix(".h5")
    rows = "".join(f"{stem},0,No,1,2,3,4,{label}\n" for label in labels or [])
    reviewed = "other\n" if labels is None else f"{stem}\nother\n"
    assert read_annotations(write_tables(tmp_path, rows, reviewed)).status(volume) == status


def test_real_tables_are_described_row_by_row(real_annotations):
    annotations = read_annotations(real_annotations)
    lines = list(describe_tables(annotations))
    for anatomy, total in (("knee", 16167), ("brain", 8213)):
        (summary,) = [line for line in lines if line.startswith(f"{anatomy}: ")]
        numbers = [int(number) for number in re.findall(r"(\d+) (?:boxes|malformed|rows at)", summary)]
        assert sum(numbers) == total
        assert f"{total} rows" in summary
    assert sum(int(line.split()[0]) for line in lines if re.match(r" +\d+ \S", line)) == 16167 + 8213
    listed = [line for line in lines if line.startswith("  malformed, line")]
    expected = [
        row.line
        for anatomy in ("knee", "brain")
        for row in read_table(real_annotations / f"{anatomy}.csv")
        if row.malformed()
    ]
    assert [int(re.search(r"line (\d+)", line)[1]) for line in listed] == expected
    assert len(listed) == 9
    assert sum("equals the official table" in line for line in lines) == 4


def test_tables_that_belong_to_other_volumes_are_refused(tmp_path, simulated_root):
    manifest = open_manifest(open_root(simulated_root))
    stranger = read_annotations(write_tables(tmp_path / "a", "x,1,No,1,2,3,4,Mass\n", "x\n"))
    with pytest.raises(DataError, match=r"knee\.csv: matches none of the knee volumes"):
        check_match(stranger, manifest)
    stem = manifest.volumes[-1].file_name.removesuffix(".h5")
    late = read_annotations(write_tables(tmp_path / "b", f"{stem},40,No,1,2,3,4,Mass\n", f"{stem}\n"))
    with pytest.raises(DataError, match=r"line 2: .* has no slice 40"):
        check_match(late, manifest)


def test_splits_and_training_sets_of_simulated_data(simulated_root):
    root = open_root(simulated_root)
    assert root.annotations is not None
    manifest, annotations = open_manifest(root), read_annotations(root.annotations)
    assert len(splits.get("knee").select(manifest, annotations)) == 2
    assert len(splits.get("brain").select(manifest, annotations)) == 2
    marked = splits.get("fastmri-plus").select(manifest, annotations)
    assert {volume.folder for volume in marked} == {"multicoil_val"}
    assert all(annotations.of(volume) for volume in marked)
    sizes = {name: len(training_set(manifest, annotations, name).training) for name in TRAINING_SETS}
    assert (sizes["knee"], sizes["brain"], sizes["knee+brain"]) == (3, 1, 4)
    clean = training_set(manifest, annotations, "knee-clean").training
    assert all(annotations.status(volume) == "clean" for volume in clean)


def test_splits_that_do_not_exist_say_why(simulated_root):
    manifest = open_manifest(open_root(simulated_root))
    with pytest.raises(UnavailableError, match="no fastMRI\\+ annotations"):
        splits.get("fastmri-plus").select(manifest, None)
    with pytest.raises(RequestError, match="knee-clean needs"):
        training_set(manifest, None, "knee-clean")
    with pytest.raises(RequestError, match="unknown training set 'elbow'"):
        training_set(manifest, None, "elbow")


def test_fewer_patients_are_among_more_and_validation_stays(tmp_path):
    patients = 14
    simulate(tmp_path / "root", Simulation(patients, 0, 0, 0, slices=1, matrix=32, coils=2))
    manifest = open_manifest(open_root(tmp_path / "root"))
    whole = training_set(manifest, None, "knee")
    assert whole.validation
    learned = patients - len(whole.validation)
    nested = [training_set(manifest, None, f"knee-{number}") for number in (1, 5, learned)]
    assert [len(found.training) for found in nested] == [1, 5, learned]
    assert set(nested[0].training) < set(nested[1].training) < set(nested[2].training) == set(whole.training)
    assert {found.validation for found in nested} == {whole.validation}
    with pytest.raises(RequestError, match=rf"--train-on knee-{patients}: the data hold {learned} training patients"):
        training_set(manifest, None, f"knee-{patients}")
    for wrong in ("knee-0", "knee-x", "elbow-3", "-3"):
        with pytest.raises(RequestError, match="unknown training set"):
            training_set(manifest, None, wrong)
