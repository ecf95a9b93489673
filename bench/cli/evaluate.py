"""``evaluate``: trained networks on other data, without training."""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import plugins
from bench.cli.numbers import whole
from records.trial import ACCELERATIONS
from registries import RequestError
from registries.bounds import Bounds

if TYPE_CHECKING:
    from bench.use.evaluate import Evaluated

NUMBER = Bounds(0, 10**9)
FEW_VOLUMES = 6
"""So many are listed one by one; all of them stand in `volumes.csv`."""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "evaluate",
        help="score trained networks on other data",
        description="Score the networks of finished trials on other data or under other conditions, without training. "
        "Each evaluation gets a record of its own (evaluation.json), which `compare` reads and boards leave alone.",
    )
    parser.add_argument(
        "trials", nargs="+", metavar="TRIAL", help="folder of a trial, folder of several, or file of weights"
    )
    parser.add_argument("--arch", metavar="NAME", help="architecture of a file of weights that does not say it")
    parser.add_argument("--size", metavar="SIZE", help="size of that network, e.g. paper")
    parser.add_argument("--data", metavar="ROOT", help="folder with fastMRI's knee/ and brain/ (default: the trial's)")
    parser.add_argument("--annotations", metavar="DIR", help="fastMRI+ tables (default: ROOT/fastmri_plus)")
    parser.add_argument(
        "--acceleration", type=whole(ACCELERATIONS), metavar="R", help="acceleration factor (default: the trial's)"
    )
    parser.add_argument(
        "--shifts", nargs="+", default=(), metavar="SHIFT", help="also under these, e.g. noise-20, or all"
    )
    parser.add_argument("--splits", nargs="+", metavar="SPLIT", help="sets of test volumes (default: the trial's)")
    parser.add_argument("--volumes", type=whole(NUMBER), metavar="N", help="at most N volumes of each split (0: all)")
    parser.add_argument("--slices", type=whole(NUMBER), metavar="N", help="at most N slices of each volume (0: all)")
    parser.add_argument(
        "--include-train",
        action="store_true",
        help="also score the volumes in multicoil_train, which are new to a network trained elsewhere",
    )
    parser.add_argument(
        "--against", nargs="+", metavar="PRUNER", help="also print every row beside the row of this pruner, e.g. dense"
    )
    plugins.add_option(parser)
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda")
    parser.add_argument("--out", default="evaluations", metavar="DIR", help="output folder (default evaluations)")
    parser.add_argument("--fresh", action="store_true", help="compute everything anew")
    parser.add_argument("--quiet", action="store_true", help="no progress, only results")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    if chosen.quiet:
        os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is imported
    from bench.machine.gpus import enter
    from bench.trials.plan import choose_device
    from bench.use.data import Conditions, OpenRoot
    from bench.use.evaluate import evaluate
    from bench.use.opening import found_trials, open_network
    from leaderboards.rows.reference_tables import against

    plugins.load(chosen)
    device = choose_device(chosen.device)
    enter(device)
    conditions = Conditions(
        chosen.data,
        chosen.annotations,
        chosen.acceleration,
        tuple(chosen.shifts),
        tuple(chosen.splits) if chosen.splits else None,
        chosen.volumes,
        chosen.slices,
        chosen.include_train,
    )
    paths = found_trials(chosen.trials)
    _check_references(chosen.against or (), paths)
    opened, records = OpenRoot(conditions), []
    for number, path in enumerate(paths):
        trained = open_network(path, device, chosen.arch, chosen.size)
        found = evaluate(trained, opened.choose(trained), Path(chosen.out), chosen.fresh, print)
        print("\n".join([*([""] if number else []), *_lines(found)]), flush=True)
        records.append(found.record)
    if chosen.against:
        for table in against(records, chosen.against, "psnr", "the evaluations"):
            print("\n".join(["", *table.lines]))
    return 0


def _check_references(asked: Sequence[str], paths: Sequence[Path]) -> None:
    """Whether there are networks of these pruners, before anything is scored."""
    from records.record import FILE, Record

    there = {Record.read(path / FILE).trial.pruner for path in paths if path.is_dir()}
    for name in asked:
        if name not in there and all(path.is_dir() for path in paths):
            known = ", ".join(sorted(there))
            raise RequestError(f"--against {name}: none of the networks is of that pruner; there are {known}")


def _lines(found: "Evaluated") -> Iterator[str]:
    """What was scored on what, and the scores."""
    from bench.trials import report
    from bench.use.opening import UNKNOWN
    from records.setting import evaluated_on

    record, data, trial = found.record, found.record.provenance.data, found.record.trial
    trained = f"trained on {trial.train_on} ({data.kind or 'unknown'} data)"
    yield f"{record.row} · size {trial.size} · seed {trial.seed}, {trained}"
    yield f"evaluated on {evaluated_on(record)}"
    if trial.train_on == UNKNOWN:
        yield "weights without a description: right only if this suite's code of the architecture gives their image"
    for name, reason in data.unavailable.items():
        yield f"{name}: n/a: {reason}"
    yield from report.table(record.metrics, record.baselines)
    yield from report.shift_table(record.metrics, record.shifts)
    yield from report.lesion_lines(record.metrics)
    yield from _volumes(found)
    yield f"{'known from before' if found.reused else 'evaluation'}: {found.folder}"


def _volumes(found: "Evaluated") -> Iterator[str]:
    """Every volume, where there are few."""
    from bench.evaluation.metrics import MAIN, metrics
    from bench.trials.report import NETWORK, TO_BEAT
    from records.results import BASELINE_WORDS
    from registries.text import aligned

    table = found.volumes
    table = table[table["shift"].isna()].drop_duplicates(["volume", "method"])
    if not 1 < table["volume"].nunique() <= FEW_VOLUMES:
        return
    names = {**{name: BASELINE_WORDS[name] for name in TO_BEAT}, "network": NETWORK}
    rows = [["volume", "method", "PSNR dB", "SSIM", "NMSE"]]
    for volume, own in table.groupby("volume", sort=False):
        scores = own.set_index("method")
        known = [name for name in names if name in scores.index]
        for position, name in enumerate(known):
            figures = [metrics.get(metric).text(float(str(scores.loc[name, metric]))) for metric in MAIN]
            rows.append(["" if position else str(volume), names[name], *figures])
    yield from aligned(rows)
