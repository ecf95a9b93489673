"""A file of weights says which network it is of, and gives it back away from its record."""

import json
from dataclasses import asdict, replace

import pytest
import safetensors
import safetensors.torch
import torch

from architectures import Variant, architectures, build
from bench.cli import main
from bench.networks.trained import StoredNetwork
from bench.networks.weights import WeightsDescription, described, network_in, network_of, write_weights
from bench.speed.inputs import Shape
from bench.speed.networks import relative_difference
from registries import Identity, RequestError
from tests.architectures.models.test_modl import make_input

VARIANT = Variant("normal-0.02", (("fixed_lambda", True), ("initial_lambda", 0.1)))
DESCRIPTION = WeightsDescription(
    architecture=architectures.get("modl-unet").identity,
    size="toy",
    width=0.5,
    variant=VARIANT,
    row="modl-unet/dense",
    train_on="knee",
    acceleration=8,
    seed=3,
    preparation={"maps": {"kind": "low-resolution"}, "crop_readout": True, "undersampling": {"pattern": "random"}},
)


def network():
    return build("modl-unet", "toy", torch.Generator().manual_seed(1), 0.5, VARIANT).eval()


def spoil(path, **changes):
    """Write the file again with other metadata."""
    with safetensors.safe_open(path, "pt") as file:
        metadata = {**file.metadata(), **changes}
    kept = {name: value for name, value in metadata.items() if value is not None}
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, kept)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "away.safetensors"
    write_weights(path, network().state_dict(), DESCRIPTION)
    return path


def test_the_description_comes_back_and_with_it_the_network(file):
    assert described(file) == DESCRIPTION
    found, sample = network_in(file), make_input(height=20, width=24)
    with torch.no_grad():
        assert torch.equal(found(*sample), network()(*sample))


def test_the_header_holds_texts_in_one_order_and_tensors_begin_at_multiples_of_eight(file, tmp_path):
    write_weights(tmp_path / "again.safetensors", network().state_dict(), DESCRIPTION)
    content = file.read_bytes()
    assert content == (tmp_path / "again.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    assert {"schema", "architecture", "version", "origin", "size", "width", "variant", "row"} < metadata.keys()
    assert metadata["schema"] == "1"
    assert json.loads(metadata["variant"]) == VARIANT.to_json()


def test_files_from_elsewhere_say_nothing(file, tmp_path):
    assert described(tmp_path / "weights.pt") is None
    safetensors.torch.save_file(network().state_dict(), file)
    assert described(file) is None
    with pytest.raises(RequestError, match="does not say which network it is of; name it by --arch and --size"):
        network_in(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "2"}, "its description has layout 2, and this version reads layout 1"),
        ({"row": None}, r"its description is damaged \(KeyError: 'row'\)"),
        ({"variant": "{"}, r"its description is damaged \(JSONDecodeError"),
        ({"variant": "[]"}, "its description is damaged"),
        ({"preparation": "[]"}, "its description is damaged"),
        ({"width": "nan"}, "its description is damaged .*a width of nan"),
        ({"width": "1.0"}, r"is \([0-9, ]+\), not \([0-9, ]+\)$"),
        ({"architecture": "nobody"}, "unknown architecture 'nobody'.*--plugin FILE"),
        ({"version": "1"}, "is of version 1 of 'modl-unet' .built-in., and here is version 2"),
        ({"origin": "sha256:0"}, r"is of version 2 of 'modl-unet' \(sha256:0\), and here is version 2 \(built-in\)"),
        ({"size": "huge"}, "has no size 'huge'"),
        ({"size": "demo"}, r"is \([0-9, ]+\), not \([0-9, ]+\)|names are missing"),
        ({"variant": '{"options": {"nothing": 1}}'}, "its description fits no network"),
        ({"variant": '{"init": "nothing"}'}, "its description fits no network"),
    ],
)
def test_damaged_or_inconsistent_descriptions_end_in_one_line(file, changes, message):
    spoil(file, **changes)
    with pytest.raises(RequestError, match=message) as caught:
        network_in(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_absent_and_damaged_files_end_in_one_line(file, tmp_path):
    file.write_bytes(file.read_bytes()[:100])
    for path, message in ((file, "is not a valid safetensors file"), (tmp_path / "a.safetensors", "no such file")):
        with pytest.raises(RequestError, match=message):
            described(path)


def test_an_architecture_of_another_version_is_refused(override):
    entry = architectures.get("modl-unet")
    override(architectures, replace(entry, identity=Identity(entry.name, 99, "built-in")))
    with pytest.raises(RequestError, match=r"--weights FILE: is of version 2 of 'modl-unet'.*here is version 99"):
        network_of(DESCRIPTION, "--weights FILE")


def test_a_trial_leaves_weights_that_stand_alone(tmp_path):
    words = ["run", "--arch", "modl-unet", "--pruner", "snip", "--size", "toy", "--sparsity", "0.8", "--seed", "2"]
    settings = ["--set", "init=torch", "--set", "arch.fixed_lambda=true", "--device", "cpu", "--quiet"]
    assert main([*words, *settings, "--out", str(tmp_path / "results")]) == 0
    (folder,) = (path.parent for path in (tmp_path / "results").glob("*/record.json"))
    stored = StoredNetwork.of(folder)
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes((folder / "weights.safetensors").read_bytes())
    found, trial = described(moved), stored.record.trial
    assert found is not None
    assert (found.row, found.size, found.seed) == (str(stored.record.row), "toy", 2)
    assert (found.train_on, found.acceleration, found.width) == ("knee", 4, 1.0)
    assert found.variant.to_json() == trial.resolved.variant == {"init": "torch", "options": {"fixed_lambda": True}}
    assert {name: found.preparation[name] for name in ("maps", "crop_readout")} == {
        "maps": {"kind": "low-resolution"},
        "crop_readout": True,
    }
    assert asdict(found.architecture) in [entry.to_json() for entry in stored.record.provenance.entries]
    assert relative_difference(stored.model, network_in(moved), Shape(3, 32, 28)) == 0

    write_weights(folder / "weights.safetensors", stored.model.state_dict(), replace(found, seed=1))
    with pytest.raises(RequestError, match=r"are those of another trial .*seed 1"):
        StoredNetwork.of(folder)
