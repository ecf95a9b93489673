"""``reconstruct``: a trained network on files of one's own."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import plugins
from bench.cli.numbers import whole
from records.formats import FORMATS
from records.trial import ACCELERATIONS
from registries import RequestError
from registries.bounds import Bounds

if TYPE_CHECKING:
    from bench.use.files import Reconstructed
    from bench.use.network import TrainedNetwork

SLICE = Bounds(0, 10**6)


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "reconstruct",
        help="reconstruct files with a trained network",
        description="Reconstruct volumes in fastMRI's layout, with or without target. A file's own sampling mask is "
        "used where it has one (key 'mask', or k-space that is zero where nothing was sampled); a fully sampled file "
        "is undersampled first. Written are fastMRI's submission layout (.h5) and a picture.",
    )
    parser.add_argument("trial", metavar="TRIAL", help="folder of a trial, or file of weights")
    parser.add_argument("files", nargs="+", metavar="FILE", help="HDF5 file, or a folder of them")
    parser.add_argument("--arch", metavar="NAME", help="architecture of a file of weights that does not say it")
    parser.add_argument("--size", metavar="SIZE", help="size of that network, e.g. paper")
    parser.add_argument(
        "--acceleration",
        type=whole(ACCELERATIONS),
        metavar="R",
        help="undersample fully sampled files by this factor (default: the trial's)",
    )
    parser.add_argument(
        "--slice", type=whole(SLICE), metavar="N", help="slice in the picture (default: the middle one)"
    )
    plugins.add_option(parser)
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda")
    parser.add_argument(
        "--out",
        default="reconstructions",
        metavar="PATH",
        help="folder (default reconstructions), or for one FILE a .h5, .png, .svg or .pdf",
    )
    parser.add_argument("--format", default="png", metavar="F", help="of pictures: png (default), svg or pdf")
    parser.add_argument("--quiet", action="store_true", help="no progress, only results")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command: 2 if one of the files could not be reconstructed."""
    if chosen.quiet:
        os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is imported
    from bench.machine.gpus import enter
    from bench.trials.plan import choose_device
    from bench.use.files import reconstruct_file
    from bench.use.network import TrainedNetwork
    from bench.use.opening import open_network
    from datasets.errors import DataError
    from leaderboards.rows.pair import dense_folder

    plugins.load(chosen)
    if chosen.format not in FORMATS:
        raise RequestError(f"--format {chosen.format}: there are {', '.join(FORMATS)}")
    files = _files(chosen.files)
    single = Path(chosen.out).suffix in (".h5", *(f".{name}" for name in FORMATS))
    if not single and Path(chosen.out).suffix in (".tif", ".tiff", ".jpg", ".jpeg", ".gif", ".bmp", ".nii", ".npy"):
        raise RequestError(f"--out {chosen.out}: name a folder, or a file that ends in .h5, .{', .'.join(FORMATS)}")
    if single and len(files) > 1:
        raise RequestError(f"--out {chosen.out}: is one file, for {len(files)} volumes; name a folder")
    device = choose_device(chosen.device)
    enter(device)
    trained = open_network(Path(chosen.trial), device, chosen.arch, chosen.size)
    beside = dense_folder(trained.folder.parent, trained.record) if trained.record.ok else None
    dense = TrainedNetwork.of(beside, device) if beside else None
    code = 0
    for file in files:
        try:
            found = reconstruct_file(trained, file, chosen.acceleration, dense)
        except DataError as error:
            if len(files) == 1:
                raise
            print(f"bench: {error}", file=sys.stderr)
            code = 2
            continue
        place = found.scan.shape[0] // 2 if chosen.slice is None else chosen.slice
        if place >= found.scan.shape[0]:
            raise RequestError(f"--slice {place}: {file} has {found.scan.shape[0]} slices, from 0")
        _report(found)
        for path in _outputs(chosen, file, single):
            _write(path, found, trained, place)
            print(f"  {path}", flush=True)
    return code


def _files(names: list[str]) -> list[Path]:
    found: list[Path] = []
    for name in names:
        path = Path(name)
        inside = sorted(one for one in path.glob("*.h5") if not one.name.startswith(".")) if path.is_dir() else [path]
        if not inside:
            raise RequestError(f"{name}: holds no .h5 file; name a file, or the folder that holds them")
        found += inside
    doubled = {path.name for path in found if [one.name for one in found].count(path.name) > 1}
    if doubled:
        raise RequestError(
            f"{min(doubled)}: occurs in several of the folders, and would be written over; name one at a time"
        )
    return found


def _outputs(chosen: argparse.Namespace, file: Path, single: bool) -> list[Path]:
    out = Path(chosen.out)
    return [out] if single else [out / file.name, out / f"{file.stem}.{chosen.format}"]


def _write(path: Path, found: "Reconstructed", trained: "TrainedNetwork", place: int) -> None:
    from bench.use.files import write_volume
    from records.pictures import comparison, save

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".h5":
        write_volume(path, found, trained)
    else:
        save(comparison([found.example(place)], str(trained.record.row)), path)


def _report(found: "Reconstructed") -> None:
    from bench.evaluation.metrics import MAIN, metrics
    from registries.text import aligned, plural

    slices, coils, rows, columns = found.scan.shape
    size = f"{plural(slices, 'slice')} of {plural(coils, 'coil')}, {rows} × {columns}"
    print(f"{found.scan.path}: {size}, {found.sampling}{'' if found.target is not None else ', no target'}")
    if found.scores:
        table = [["", "method", "PSNR dB", "SSIM", "NMSE"]]
        for name, scores in found.scores.items():
            table.append(["", name, *(metrics.get(metric).text(scores[metric]) for metric in MAIN)])
        print("\n".join(aligned(table)))
