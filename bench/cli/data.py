"""``data``: make data, and look at data before anything is trained on them."""

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.numbers import whole
from registries import RequestError
from registries.bounds import Bounds

if TYPE_CHECKING:
    from datasets.roots import DataRoot

PATIENTS = Bounds(0, 1_000_000)
SIZES = {
    "knee-train": (12, PATIENTS, "knee patients for training"),
    "knee-val": (6, PATIENTS, "knee patients for test"),
    "brain-train": (2, PATIENTS, "brain patients for training"),
    "brain-val": (6, PATIENTS, "brain patients for test"),
    "slices": (10, Bounds(1, 1000), "slices per volume"),
    "matrix": (160, Bounds(16, 640), "rows and columns of the images"),
    "coils": (8, Bounds(1, 32), "receive coils"),
    "seed": (0, Bounds(0, 1_000_000), "of all randomness"),
}
ROOT_HELP = "folder with fastMRI's knee/ and brain/"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("data", help="simulate, check and preview data; read fastMRI+ annotations")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="open every volume, validate it, and write the manifest anew")
    check.add_argument("root", nargs="?", metavar="ROOT", help=f"{ROOT_HELP} (default: what `run` finds)")
    check.set_defaults(execute=execute_check)
    simulate = actions.add_parser("simulate", help="write simulated knees and brains in fastMRI's layout")
    simulate.add_argument("root", metavar="ROOT", help="folder to make")
    for name, (usual, bounds, what) in SIZES.items():
        words = f"{what} (default {usual})"
        simulate.add_argument(f"--{name}", type=whole(bounds), default=usual, metavar="N", help=words)
    simulate.set_defaults(execute=execute_simulate)
    preview = actions.add_parser("preview", help="write a montage of some volumes as PNG")
    preview.add_argument("root", metavar="ROOT", help=ROOT_HELP)
    preview.add_argument("--out", default="preview.png", metavar="FILE", help="picture to write (default preview.png)")
    preview.add_argument(
        "--volumes", type=whole(Bounds(1, 10_000)), default=8, metavar="N", help="at most so many (default 8)"
    )
    preview.set_defaults(execute=execute_preview)
    annotations = actions.add_parser("annotations", help="say what fastMRI+ tables hold, and what matches the volumes")
    annotations.add_argument("folder", metavar="DIR", help="folder of the CSV files")
    annotations.add_argument("root", nargs="?", metavar="ROOT", help=ROOT_HELP)
    annotations.set_defaults(execute=execute_annotations)


def execute_check(chosen: argparse.Namespace) -> int:
    """Inspect every volume of a data root; name every one that is wrong or contradicts itself."""
    from datasets.consistency import contradictions, duplicates
    from datasets.manifest import inspect_root
    from datasets.roots import left_out
    from registries.text import plural

    root = _root(chosen.root)
    volumes, broken = inspect_root(root, reuse=False)
    problems = [str(problem) for problem in broken]
    problems += [f"{volume.path}: {words}" for volume in volumes for words in contradictions(volume)]
    problems += [*duplicates(volumes), *left_out(root)]
    for problem in problems:
        print(f"bench: {problem}", file=sys.stderr)
    groups = Counter((v.anatomy, v.folder, v.acquisition, v.coils, v.rows, v.columns) for v in volumes)
    for (anatomy, folder, acquisition, coils, rows, columns), number in sorted(groups.items()):
        print(f"{anatomy}/{folder}: {number} × {acquisition}, {coils} coils, {rows} × {columns}")
    for volume in volumes:
        if volume.empty:
            which = f"slice{'s' * (len(volume.empty) > 1)} {', '.join(map(str, volume.empty))}"
            print(f"{volume.name}: {which}: zero, so neither trained on nor scored")
    patients = len({volume.patient for volume in volumes})
    slices = sum(volume.slices for volume in volumes)
    summary = f"{plural(len(volumes), 'volume')} of {plural(patients, 'patient')}, {plural(slices, 'slice')}"
    print(f"{summary}, {plural(len(problems), 'problem')}; manifest {'not ' if broken else ''}complete")
    return 2 if problems else 0


def execute_simulate(chosen: argparse.Namespace) -> int:
    """Simulate data of any size anywhere."""
    from datasets.simulated import Simulation, simulate

    sizes = {name.replace("-", "_"): getattr(chosen, name.replace("-", "_")) for name in SIZES}
    if chosen.matrix % 2:
        raise RequestError(f"--matrix {chosen.matrix}: give an even number")
    if not any(Simulation(**sizes).patients.values()):
        raise RequestError("data simulate: no patients at all; give at least one of --knee-train, --knee-val, …")
    simulate(Path(chosen.root), Simulation(**sizes))
    print(f"simulated data in {chosen.root}; `python -m bench data preview {chosen.root}` shows them")
    return 0


def execute_preview(chosen: argparse.Namespace) -> int:
    """Write a montage."""
    from datasets.annotations import read_annotations
    from datasets.manifest import open_manifest
    from datasets.preview import montage, spread

    root = _root(chosen.root)
    volumes = open_manifest(root).volumes
    out = Path(chosen.out)
    if not out.name or out.is_dir():
        raise RequestError(f"--out '{chosen.out}': name a file, e.g. preview.png")
    some = spread(volumes, chosen.volumes)
    montage(out, some, read_annotations(root.annotations) if root.annotations else None)
    print(f"{len(some)} of {len(volumes)} volumes in {out}")
    return 0


def execute_annotations(chosen: argparse.Namespace) -> int:
    """Summarise fastMRI+ tables."""
    from datasets.annotations import read_annotations
    from datasets.annotations_report import describe_match, describe_tables
    from datasets.manifest import open_manifest

    annotations = read_annotations(Path(chosen.folder))
    print("\n".join(describe_tables(annotations)))
    if chosen.root:
        print("\n".join(describe_match(annotations, open_manifest(_root(chosen.root)))))
    return 0


def _root(given: str | None) -> "DataRoot":
    from datasets.roots import find_root

    root = find_root(given, None)
    if root is None:
        raise RequestError("data check: name a ROOT, or set $PUNBENCH_DATA, or write fastMRI's fastmri_dirs.yaml here")
    return root
