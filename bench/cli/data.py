"""``data``: look at data before anything is trained on them."""

import argparse
from collections import Counter
from typing import Any

from registries import RequestError


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("data", help="check a data root")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="open every volume, validate it, and write the manifest anew")
    check.add_argument(
        "root",
        nargs="?",
        metavar="ROOT",
        help="folder with fastMRI's knee/ and brain/; default: the data that `run` finds",
    )
    check.set_defaults(execute=execute_check)


def execute_check(chosen: argparse.Namespace) -> int:
    """Inspect every volume of a data root."""
    from bench.report import plural
    from datasets.manifest import write_manifest
    from datasets.roots import find_root

    root = find_root(chosen.root, None)
    if root is None:
        raise RequestError("data check: name a ROOT, or set $PUNBENCH_DATA, or write fastMRI's fastmri_dirs.yaml here")
    manifest = write_manifest(root)
    groups = Counter((v.anatomy, v.folder, v.acquisition, v.coils, v.rows, v.columns) for v in manifest.volumes)
    for (anatomy, folder, acquisition, coils, rows, columns), number in sorted(groups.items()):
        print(f"{anatomy}/{folder}: {number} × {acquisition}, {coils} coils, {rows} × {columns}")
    patients = len({volume.patient for volume in manifest.volumes})
    print(f"{plural(len(manifest.volumes), 'volume')} of {plural(patients, 'patient')}, manifest written")
    return 0
