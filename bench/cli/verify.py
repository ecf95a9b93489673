"""``verify``: does a recorded row come out again?"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import plugins
from bench.cli.leaderboard import PUBLISHED
from bench.cli.numbers import whole
from records.trial import ACCELERATIONS, SEEDS
from registries import RequestError

if TYPE_CHECKING:
    from bench.trials.request import Request
    from records.record import Record

WEIGHTS = "weights.safetensors"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "verify",
        help="run a recorded row again, or score its weights again",
        description="Of a record with its weights beside it the weights are scored again; of a row of a board one seed "
        "is run again.",
    )
    parser.add_argument("target", metavar="ROW|RECORD", help="row name, or the path of a record or its folder")
    parser.add_argument("--records", metavar="DIR", help=f"board or folder that holds the row (default {PUBLISHED}/*)")
    parser.add_argument("--seed", type=whole(SEEDS), metavar="N", help="of a row (default: its first)")
    parser.add_argument("--train-on", metavar="SET", help="of a row, where it stands on several training sets")
    parser.add_argument(
        "--acceleration", type=whole(ACCELERATIONS), metavar="R", help="of a row, where it stands at several"
    )
    parser.add_argument("--track", metavar="FILE", help="of the record, if it is no built-in one")
    parser.add_argument("--data", metavar="ROOT", help="folder with fastMRI's knee/ and brain/ (default: simulated)")
    parser.add_argument("--annotations", metavar="DIR", help="fastMRI+ tables (default: ROOT/fastmri_plus)")
    plugins.add_option(parser)
    parser.add_argument("--rerun", action="store_true", help="run again, also where there are weights")
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda")
    parser.add_argument("--out", default="verified", metavar="DIR", help="of what is run again (default verified)")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command: 0 same or within tolerance, 1 different or not to be told."""
    os.environ.setdefault("TQDM_MININTERVAL", "1")
    from bench.check.rerun import SAME, WITHIN, plan_again, verify_run, verify_weights
    from bench.trials.report import edited_sources
    from records.record import FILE, Record

    plugins.load(chosen)
    path = Path(chosen.target)
    path = path / FILE if path.is_dir() else path
    if path.is_file():
        record, seeds = Record.read(path), [Record.read(path)]
    else:
        seeds = _row(chosen)
        asked = chosen.seed if chosen.seed is not None else min(r.seed for r in seeds)
        record = _of_seed(seeds, asked)
    planned = plan_again(record, _request(chosen, record))
    print(f"{record.row}, seed {record.seed}, track {record.trial.resolved.track}")
    print("".join(f"{line}\n" for line in edited_sources()), end="")
    weights = path.with_name(WEIGHTS)
    if path.is_file() and weights.is_file() and not chosen.rerun:
        planned.set_numerics()
        verdict = verify_weights(record, planned, weights)
    else:
        verdict = verify_run(record, planned, seeds)
    print("\n".join([*verdict.lines, f"verdict: {verdict.word}"]))
    return 0 if verdict.word in (SAME, WITHIN) else 1


def _request(chosen: argparse.Namespace, record: "Record") -> "Request":
    from bench.check.rerun import request_of

    return request_of(record, chosen.data, chosen.device, chosen.out, chosen.track, chosen.annotations)


def _row(chosen: argparse.Namespace) -> "list[Record]":
    """All finished trials of the row, in one setting."""
    from leaderboards.rows.rows import read_records
    from records.row_name import RowName
    from records.setting import one_row

    folders = [Path(chosen.records)] if chosen.records else sorted(Path(PUBLISHED).glob("*/"))
    if not folders:
        raise RequestError(f"{chosen.target}: is no file, and there is no board in {PUBLISHED}; name one by --records")
    records = [
        record
        for folder in folders
        for record in read_records(folder)
        # of its own track: a published board of another name is superseded
        if record.ok and (chosen.records or record.trial.resolved.track == folder.name)
    ]
    row = RowName.parse(chosen.target)
    found = [
        record
        for record in records
        if record.row == row
        and chosen.train_on in (None, record.trial.train_on)
        and chosen.acceleration in (None, record.trial.acceleration)
    ]
    elsewhere = {
        f"--train-on {r.trial.train_on} --acceleration {r.trial.acceleration}" for r in records if r.row == row
    }
    if not found and elsewhere:
        raise RequestError(f"row {row}: is there with {' or '.join(sorted(elsewhere))}")
    if not found:
        names = sorted({record.row for record in records})
        raise RequestError(f"row {chosen.target}: is not there; there are {', '.join(names[:8])}, …")
    boards = sorted({record.trial.resolved.track for record in found})
    if len(boards) > 1:
        raise RequestError(f"row {chosen.target}: stands on the boards {', '.join(boards)}; name one by --records")
    return list(one_row(found, boards[0]).values())


def _of_seed(records: "Sequence[Record]", seed: int) -> "Record":
    for record in records:
        if record.seed == seed:
            return record
    raise RequestError(f"--seed {seed}: there are {', '.join(str(r.seed) for r in records)}")
