"""CNNs in the formats of other programs give what torch gives, or say in one line why they are not written."""

import warnings
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from architectures import architectures, build
from bench.cli import main
from bench.networks.exchange import EQUAL, FORMATS, NotExportedError, difference, export
from bench.networks.trained import StoredNetwork

TORCHSCRIPT, ONNX = FORMATS["torchscript"], FORMATS["onnx"]
needs_onnx = pytest.mark.skipif(
    not all(map(find_spec, ONNX.packages)), reason="the packages of the extra 'onnx' are not installed here"
)


def first_network(name, size="toy"):
    model = build(name, size, torch.Generator().manual_seed(0)).eval().requires_grad_(False)
    draw = torch.Generator().manual_seed(1)
    for parameter in model.parameters():  # trained networks have biases
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=draw))
    return next(iter(model.networks().values()))


def read(kind, path):
    with warnings.catch_warnings(action="ignore"):  # of torch, which means to drop TorchScript
        return kind.read(path)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(pytest.param(TORCHSCRIPT, name, id=f"torchscript {name}") for name in architectures.names()),
        pytest.param(ONNX, "modl", id="onnx modl", marks=needs_onnx),
        # these take long; the others have the U-Net of modl-unet
        *(
            pytest.param(ONNX, name, id=f"onnx {name}", marks=[needs_onnx, pytest.mark.show])
            for name in ("modl-didn", "modl-unet")
        ),
    ],
)
def test_every_network_is_the_same_at_sizes_it_was_not_exported_with(tmp_path, kind, name):
    network = first_network(name)
    path = tmp_path / f"network{kind.suffix}"
    found = export(network, path, kind, {"row": "modl/dense"})
    assert found.difference < 1e-5
    assert found.smallest <= 8
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    run = read(kind, path)
    for shape in ((1, 2, 70, 33), (4, 2, 37, 64), (1, 2, found.smallest, 100)):
        assert difference(network, run, shape) < EQUAL, shape


def test_what_a_trace_does_not_hold_for_is_refused_by_the_file(tmp_path):
    network = first_network("modl-unet")
    found = export(network, tmp_path / "n.pt", TORCHSCRIPT, {"row": "modl-unet/dense"})
    assert found.smallest == 8
    run = read(TORCHSCRIPT, tmp_path / "n.pt")
    with pytest.raises(torch.jit.Error, match="exported for larger images"):
        run(torch.zeros(1, 2, 6, 20))
    about: dict[str, str | bytes] = {"row": "", "smallest": ""}
    with warnings.catch_warnings(action="ignore"):
        torch.jit.load(str(tmp_path / "n.pt"), _extra_files=about)
    assert about == {"row": b"modl-unet/dense", "smallest": b"8"}


class Untraceable(nn.Module):
    """Of another output for images that are wider than high: a trace knows one side alone."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 2, 1)

    def forward(self, image):
        output = self.convolution(image)
        return output if image.shape[2] < image.shape[3] else -output


class Failing(nn.Module):
    def forward(self, image):
        raise ValueError("of no use,\nas it says")


def test_a_file_that_gives_another_output_is_not_left(tmp_path):
    with pytest.raises(NotExportedError, match=r"its output differs by .* at [0-9]+ × [0-9]+, more than 1e-04"):
        export(Untraceable(), tmp_path / "n.pt", TORCHSCRIPT, {})
    with pytest.raises(NotExportedError, match=r"the exporter cannot \(ValueError: of no use, as it says\)"):
        export(Failing(), tmp_path / "n.pt", TORCHSCRIPT, {})
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """A trial of single weights of a network with several CNNs, and one of whole channels."""
    out = tmp_path_factory.mktemp("trials")
    words = ["--size", "toy", "--sparsity", "0.8", "--device", "cpu", "--quiet"]
    rows = {"e2e-varnet": "magnitude", "modl-unet": "magnitude-channel"}
    for arch, pruner in rows.items():
        assert main(["run", "--arch", arch, "--pruner", pruner, *words, "--out", str(out / arch)]) == 0
    return {arch: next((out / arch).glob("*/record.json")).parent for arch in rows}


def test_a_record_is_exported_one_file_for_each_cnn(trials, capsys):
    folder = trials["e2e-varnet"]
    assert main(["export", str(folder), "--format", "torchscript"]) == 0
    lines = capsys.readouterr().out.splitlines()
    networks = StoredNetwork.of(folder).model.networks()
    assert len(lines) == len(networks) == 3
    for line, (name, network) in zip(lines, networks.items(), strict=True):
        path = folder / "torchscript" / f"{name}.pt"
        assert line.startswith(f"{path}: ")
        assert "largest relative difference from torch" in line
        with torch.no_grad():
            assert difference(network, read(TORCHSCRIPT, path), (2, 2, 48, 32)) < EQUAL


@needs_onnx
def test_an_onnx_file_names_its_axes_and_its_row_and_no_place_of_this_machine(trials, monkeypatch):
    """It is also read without onnxruntime, by the reference of onnx itself."""
    import onnx

    folder = trials["modl-unet"]
    assert main(["export", str(folder), "--format", "onnx"]) == 0
    path = folder / "onnx" / "denoiser.network.onnx"
    model = onnx.load(path)
    axes = [axis.dim_param or axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim]
    assert axes == ["batch", 2, "height", "width"]
    about = {one.key: one.value for one in model.metadata_props}
    assert about["row"] == "modl-unet/magnitude-channel/at-init/0.8"
    assert about["network"] == "denoiser.network"
    assert b"unet.py" not in path.read_bytes()
    monkeypatch.setattr("bench.networks.exchange.find_spec", lambda name: None)
    network = StoredNetwork.of(folder).model.networks()["denoiser.network"]
    with torch.no_grad():
        assert difference(network, ONNX.read(path), (2, 2, 45, 32)) < EQUAL


def test_removed_channels_are_not_part_of_the_files(trials, capsys):
    folder = trials["modl-unet"]
    assert main(["export", str(folder), "--as", "torchscript"]) == 0
    whole = sum(p.numel() for p in StoredNetwork.of(folder).model.parameters())
    small = read(TORCHSCRIPT, folder / "torchscript" / "denoiser.network.pt")
    assert sum(p.numel() for p in small.parameters()) < 0.3 * whole
    with torch.no_grad():
        network = StoredNetwork.of(folder).model.networks()["denoiser.network"]
        assert difference(network, small, (1, 2, 45, 37)) < EQUAL


def test_a_missing_package_is_said_before_anything_is_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bench.networks.exchange.find_spec", lambda name: None)
    assert main(["export", str(tmp_path / "nothing"), "--format", "onnx"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line == "bench: --format onnx needs onnx, onnxscript: pip install -e '.[onnx]'"


def test_nothing_written_is_a_failure_and_says_why(trials, capsys, monkeypatch):
    def fail(network, path, kind, about):
        raise NotExportedError("the exporter cannot (ValueError: no)")

    monkeypatch.setattr("bench.networks.exchange.export", fail)
    assert main(["export", str(trials["modl-unet"]), "--format", "torchscript"]) == 1
    assert "denoiser.network.pt: not written: the exporter cannot (ValueError: no)" in capsys.readouterr().out
