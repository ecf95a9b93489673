"""The CNNs of a network in formats that other programs run: ONNX and TorchScript, compared with torch by numbers."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from math import isnan
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.machine.randomness import generator
from registries import RequestError
from registries.files import replacing

Run = Callable[[Tensor], Tensor]
EQUAL = 1e-4
"""Largest difference, over the largest value of the output: float32 rounding in another order of sums."""
EXAMPLE = (2, 2, 95, 127)
"""What the exporters follow through a network: rows and columns that stay odd through five halvings, so that what a
network does about odd sizes is part of the file; for even ones it does nothing."""
SHAPES = ((1, 2, 64, 64), (3, 2, 48, 80), EXAMPLE, (2, 2, 45, 37), (1, 2, 33, 50), (1, 2, 61, 96))
SIDES = (32, 16, 8, 4)
"""Smaller images, from which size on a file holds what the network does; these differ where a network pads."""
INPUT, OUTPUT = "image", "output"
_jit: Any = torch.jit
"""Deprecated in torch 2.15, where it still works; nothing else of torch holds a network for images of any size: the
archives of `torch.export` refuse even sizes once odd ones were followed, and odd ones otherwise."""


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes
    ----------
    name : str
        As asked for; also the folder beside the record.
    suffix : str
        Of the files.
    packages : tuple of str
        What writing and checking it needs besides torch.
    follow : callable
        A module as the format knows it.
    save : callable
        That, to a path, with what the file shall say about itself and the smallest side of an image it holds for.
    read : callable
        Gives what computes the output of an image.
    """

    name: str
    suffix: str
    packages: tuple[str, ...]
    follow: Callable[[nn.Module], Any]
    save: Callable[[Any, Path, Mapping[str, str], int], None]
    read: Callable[[Path], Run]

    def check_packages(self) -> None:
        """Raise `RequestError` unless everything is installed."""
        missing = [name for name in self.packages if find_spec(name) is None]
        if missing:
            raise RequestError(f"--format {self.name} needs {', '.join(missing)}: pip install -e '.[{self.name}]'")


@dataclass(frozen=True)
class Exported:
    """A file that was written and compared.

    Attributes
    ----------
    difference : float
        Largest difference from torch at any size, over the largest value of the output.
    smallest : int
        Rows and columns from which on it holds.
    """

    difference: float
    smallest: int


class NotExportedError(Exception):
    """Why a network is not available in a format, in one line."""


@torch.no_grad()
def export(network: nn.Module, path: Path, kind: Format, about: Mapping[str, str]) -> Exported:
    """Write a CNN, read it again and compare it with torch on images of several sizes.

    Parameters
    ----------
    network : Module
        ``(B, 2, H, W)`` to the same, on the CPU, in evaluation mode.
    path : Path
    kind : Format
    about : mapping of str to str
        What the file says about itself.

    Raises
    ------
    NotExportedError
        If the exporter cannot, or the file gives another output; then no file is left.
    """
    with replacing(path) as temporary, warnings.catch_warnings(action="ignore"):  # of exporters; the check says more
        try:
            followed = kind.follow(network)
            kind.save(followed, temporary, about, 1)
            run = kind.read(temporary)
            differences = [difference(network, run, shape) for shape in SHAPES]
        except (OSError, MemoryError):  # of this machine
            raise
        except Exception as error:  # exporters raise whatever they meet
            reason = " ".join(str(error).split())[:160]
            raise NotExportedError(f"the exporter cannot ({type(error).__name__}: {reason})") from None
        worst = max(differences)
        if worst > EQUAL:
            rows, columns = SHAPES[differences.index(worst)][2:]
            raise NotExportedError(f"its output differs by {worst:.1e} at {rows} × {columns}, more than {EQUAL:.0e}")
        smallest, worst = _smallest(network, run, worst)
        kind.save(followed, temporary, {**about, "smallest": str(smallest)}, smallest)
    return Exported(worst, smallest)


def difference(network: nn.Module, run: Run, shape: tuple[int, ...]) -> float:
    """Largest difference of two networks on noise, over the largest value of the first; infinite where it is none."""
    image = torch.randn(shape, generator=generator(0, "an image to compare exports"))
    expected, found = network(image), run(image.clone())
    if found.shape != expected.shape:
        return float("inf")
    value = float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
    return float("inf") if isnan(value) else value


def _smallest(network: nn.Module, run: Run, worst: float) -> tuple[int, float]:
    """The smallest side that was equal, and the largest difference down to there."""
    smallest = min(side for shape in SHAPES for side in shape[2:])
    for side in SIDES:
        try:
            found = difference(network, run, (1, 2, side, side + 1))
        except Exception:  # torch or the other program takes no image as small
            break
        if found > EQUAL:
            break
        smallest, worst = side, max(worst, found)
    return smallest, worst


class _Sized(nn.Module):
    """Refuses images that are smaller than a trace holds for, which it would compute wrongly and in silence."""

    def __init__(self, network: nn.Module, smallest: int) -> None:
        super().__init__()
        self.network = network
        self.smallest = smallest

    def forward(self, image: Tensor) -> Tensor:
        if min(image.size(2), image.size(3)) < self.smallest:
            raise ValueError("this network was exported for larger images")
        output: Tensor = self.network(image)
        return output


def _trace(network: nn.Module) -> Any:
    return _jit.trace(network, torch.zeros(EXAMPLE), check_trace=False)


def _save_torchscript(traced: Any, path: Path, about: Mapping[str, str], smallest: int) -> None:
    _jit.script(_Sized(traced, smallest)).save(str(path), _extra_files=dict(about))


def _read_torchscript(path: Path) -> Run:
    run: Run = _jit.load(str(path), map_location="cpu")
    return run


def _onnx_program(network: nn.Module) -> Any:
    axes = {0: "batch", 2: "height", 3: "width"}
    names: Any = {"input_names": [INPUT], "output_names": [OUTPUT]}
    program: Any = torch.onnx.export(
        network, (torch.zeros(EXAMPLE),), dynamo=True, dynamic_shapes=(axes,), verbose=False, **names
    )
    for node in program.model.graph:
        node.metadata_props.clear()  # places in the sources of this machine
    return program


def _save_onnx(program: Any, path: Path, about: Mapping[str, str], smallest: int) -> None:
    program.model.metadata_props.update(about)
    program.save(str(path), external_data=False)


def _read_onnx(path: Path) -> Run:
    content = path.read_bytes()
    if find_spec("onnxruntime") is not None:
        import onnxruntime

        session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    else:
        from onnx.reference import ReferenceEvaluator

        session = ReferenceEvaluator(content)
    return lambda image: torch.from_numpy(session.run([OUTPUT], {INPUT: image.numpy()})[0])


FORMATS = {
    "onnx": Format("onnx", ".onnx", ("onnx", "onnxscript"), _onnx_program, _save_onnx, _read_onnx),
    "torchscript": Format("torchscript", ".pt", (), _trace, _save_torchscript, _read_torchscript),
}
