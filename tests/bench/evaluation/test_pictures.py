"""What the pictures of a trial show: which slice, the scores of that slice, and the networks beside its own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.cli import main
from bench.evaluation import pictures
from bench.evaluation.baselines import CGSense, zero_filled_image
from bench.evaluation.metrics import volume_metrics
from bench.evaluation.pictures import examples
from bench.evaluation.scoring import boxes_of, reconstruct_volume
from bench.store.store import Store
from bench.trials.pictures import dense_network, draw_again
from bench.trials.run import run
from records.examples import CG_SENSE, DENSE, FILE, NETWORK, TARGET, ZERO_FILLED, read_examples
from records.record import Record
from registries import RequestError
from tests.bench.toy import toy_plan

PICTURES = ("reconstructions", "layers", "findings")
pytestmark = pytest.mark.usefixtures("drawn")


def carried_out(out, **changes):
    planned = toy_plan(out, **changes)
    record = run(planned, False, lambda line: None)
    assert record.ok, record.reason
    return planned, record


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture
def pruned(out):
    """A pruned trial whose dense network the store does not hold."""
    return carried_out(out / "alone")


def test_scores_are_the_suite_s_own_of_the_slice_shown(pruned):
    planned, _ = pruned
    found = read_examples(planned.folder / FILE)
    assert list(found) == list(planned.test.splits)
    for example in found.values():
        target = example.images[TARGET][None]
        for name, image in example.images.items():
            if name != TARGET:
                expected = volume_metrics(target, image[None])
                assert example.scores[name]["psnr"] == pytest.approx(expected["psnr"])
                assert example.scores[name]["ssim"] == pytest.approx(expected["ssim"], rel=1e-5)


def test_the_place_names_split_file_slice_and_acceleration(pruned):
    planned, _ = pruned
    for split, example in read_examples(planned.folder / FILE).items():
        named, file, index, acceleration = example.place.split(" · ")
        (volume,) = [one for one in planned.test.splits[split] if one.file_name == file]
        assert named == split
        assert int(index.removeprefix("slice ")) in planned.test.slices[volume.name]
        assert acceleration == "4×"
        only = planned.test.only(volume, planned.test.slices[volume.name].index(int(index.removeprefix("slice "))))
        target, images = reconstruct_volume({"zero": zero_filled_image}, volume, only)
        np.testing.assert_array_equal(target[0], example.images[TARGET])
        np.testing.assert_array_equal(images["zero"][0], example.images[ZERO_FILLED])


def test_where_there_is_a_finding_it_is_shown(out):
    test = toy_plan(out).test
    seen = 0
    for split, example in examples({ZERO_FILLED: zero_filled_image}, test).items():
        volumes = {volume.file_name: volume for volume in test.splits[split]}
        _, file, index, _ = example.place.split(" · ")
        volume, scored = volumes[file], test.slices[volumes[file].name]
        only = test.only(volume, scored.index(int(index.removeprefix("slice "))))
        boxes = boxes_of(volume, example.images[TARGET][None], only)
        assert bool(boxes) == bool(example.finding)
        if example.finding:
            seen += 1
            top, left, height, width = example.region
            assert any(
                box.label == example.finding
                and top <= box.top
                and box.bottom <= top + height
                and left <= box.left
                and box.right <= left + width
                for box in boxes
            )
    assert seen


def test_splits_show_different_volumes(out):
    places = [
        one.place.split(" · ")[1] for one in examples({ZERO_FILLED: zero_filled_image}, toy_plan(out).test).values()
    ]
    assert len(set(places)) == len(places)


def test_cg_sense_is_that_of_the_baselines(pruned):
    planned, record = pruned
    example = read_examples(planned.folder / FILE)["knee"]
    assert list(example.images) == [TARGET, ZERO_FILLED, CG_SENSE, NETWORK]
    volume = next(v for v in planned.test.splits["knee"] if v.file_name == example.place.split(" · ")[1])
    index = planned.test.slices[volume.name].index(int(example.place.split("slice ")[1].split(" ")[0]))
    tuned = record.baselines["cg_sense"]["knee"]
    method = CGSense(tuned["lambda"], int(tuned["iterations"]))
    _, images = reconstruct_volume({CG_SENSE: method}, volume, planned.test.only(volume, index))
    np.testing.assert_array_equal(images[CG_SENSE][0], example.images[CG_SENSE])


@pytest.mark.parametrize("protocol", ["standard", "equal-total"])
def test_the_dense_network_stands_beside_if_the_store_holds_it(out, protocol):
    folder = out / protocol
    dense, _ = carried_out(folder, pruner="dense", protocol=protocol)
    pruned, _ = carried_out(folder, protocol=protocol)
    found, alone = (read_examples(planned.folder / FILE) for planned in (pruned, dense))
    assert list(found["knee"].images) == [TARGET, ZERO_FILLED, CG_SENSE, DENSE, NETWORK]
    assert DENSE not in alone["knee"].images
    for split, example in found.items():
        np.testing.assert_array_equal(example.images[DENSE], alone[split].images[NETWORK])
        assert not np.array_equal(example.images[DENSE], example.images[NETWORK])


def test_after_training_the_dense_network_is_the_first_stage(out):
    planned, _ = carried_out(out / "after", pruner="magnitude", timing="after")
    assert DENSE in read_examples(planned.folder / FILE)["knee"].images


def test_a_dense_network_of_other_settings_is_no_partner(out):
    dense, _ = carried_out(out / "others", pruner="dense")
    others: list[dict[str, Any]] = [{"seed": 1}, {"acceleration": 8}, {"train_on": "brain"}]
    others += [{"settings": (one,)} for one in ("train.steps=3", "train.loss=ssim", "train.batch=2")]
    for changes in others:
        assert dense_network(toy_plan(out / "others", **changes), Store(dense.store)) is None, changes
    assert dense_network(toy_plan(out / "others"), Store(dense.store)) is not None
    assert dense_network(dense, Store(dense.store)) is None


def test_no_picture_of_findings_where_there_are_none(out, tmp_path):
    path = tmp_path / "findings.png"
    path.write_bytes(b"of an earlier run")
    pictures.findings(path, zero_filled_image, replace(toy_plan(out).test, annotations={}), "a row")
    assert not path.exists()


RUN = ["run", "--arch", "modl", "--pruner", "snip", "--size", "toy", "--device", "cpu", "--quiet"]


def test_a_run_draws_in_the_format_asked_for_now_and_later(tmp_path, capsys):
    assert main([*RUN, "--out", str(tmp_path), "--format", "svg"]) == 0
    (folder,) = [path.parent for path in tmp_path.glob("*/record.json")]
    assert {path.name for path in folder.glob("*.*g")} == {f"{name}.svg" for name in PICTURES} | {"curves.png"}
    record, images = (folder / "record.json").read_bytes(), (folder / FILE).read_bytes()
    capsys.readouterr()
    assert main([*RUN, "--out", str(tmp_path), "--format", "pdf"]) == 0
    assert "drew its pictures as pdf" in capsys.readouterr().out
    for name in PICTURES:
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "record.json").read_bytes() == record
    assert (folder / FILE).read_bytes() == images
    assert main([*RUN, "--out", str(tmp_path), "--format", "pdf"]) == 0
    assert "drew" not in capsys.readouterr().out


def test_another_format_ends_in_one_line(tmp_path, capsys):
    assert main([*RUN, "--out", str(tmp_path), "--format", "jpeg"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--format" in line
    assert "png" in line
    assert list(tmp_path.iterdir()) == []


def test_without_weights_nothing_can_be_drawn_again(tmp_path):
    planned, _ = carried_out(tmp_path)
    (planned.folder / "weights.safetensors").unlink()
    record = Record.read(planned.folder / "record.json")
    assert draw_again(planned, record) is False
    with pytest.raises(RequestError, match="weights"):
        draw_again(replace(planned, format="pdf"), record)
