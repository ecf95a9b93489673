"""``run``: one trial."""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from bench.cli import numbers, plugins, tensorboard
from bench.cli.numbers import whole
from records.formats import FORMATS
from records.trial import ACCELERATIONS, DEFAULT_SPARSITY, SEEDS

if TYPE_CHECKING:
    from bench.trials.plan import PlannedTrial
    from bench.trials.request import Request
    from records.record import Record


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "run",
        help="train, prune and evaluate one network",
        description="Carry out one trial and write its record, weights, mask and pictures.",
    )
    parser.add_argument("--arch", required=True, metavar="NAME", help="architecture, e.g. modl")
    parser.add_argument("--pruner", required=True, metavar="NAME", help="pruner, e.g. snip; dense prunes nothing")
    parser.add_argument("--timing", metavar="WHEN", help="at-init, while or after; default: the pruner's first")
    parser.add_argument("--sparsity", metavar="S", help=f"fraction removed (default {DEFAULT_SPARSITY})")
    parser.add_argument("--size", metavar="SIZE", help="of the network: toy, demo, mini, paper (default demo)")
    parser.add_argument("--track", metavar="TRACK", help="data, budget and evaluation (default: that of the size)")
    parser.add_argument("--data", metavar="ROOT", help="folder with fastMRI's knee/ and brain/ (default: simulated)")
    parser.add_argument("--annotations", metavar="DIR", help="fastMRI+ tables (default: ROOT/fastmri_plus)")
    parser.add_argument(
        "--train-on",
        default="knee",
        metavar="SET",
        help="knee, brain, knee+brain, knee-clean, …; knee-12 for 12 of its patients",
    )
    parser.add_argument(
        "--acceleration", type=whole(ACCELERATIONS), default=4, metavar="R", help="of undersampling (default 4)"
    )
    parser.add_argument("--seed", type=whole(SEEDS), default=0, metavar="N", help="of the trial (default 0)")
    parser.add_argument("--protocol", metavar="P", help="standard or equal-total (default: the track's)")
    parser.add_argument(
        "--control",
        metavar="C",
        help="of a mask: shuffle, random-layerwise, reinit, invert; of dense: long, wd, early-stop, small[-SPARSITY]",
    )
    weights = "start timing after from these weights: safetensors, a state dict, a checkpoint"
    parser.add_argument("--dense-weights", metavar="FILE", help=weights)
    plugins.add_option(parser)
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="pruner.NAME, train.NAME or maps.NAME; may be repeated",
    )
    parser.add_argument(
        "--shifts", nargs="+", metavar="SHIFT", help="evaluate under these, too, e.g. acceleration-8 noise-20, or all"
    )
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda")
    numbers.add_loader_workers(parser)
    parser.add_argument("--out", default="results", metavar="DIR", help="where outputs go (default results)")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="of the pictures (default png)")
    tensorboard.add_option(parser)
    parser.add_argument("--fresh", action="store_true", help="compute everything anew")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--quiet", action="store_true", help="no progress, only results")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    if chosen.quiet:
        os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is imported
    from bench.machine.gpus import enter
    from bench.trials import report
    from bench.trials.log import Journal
    from bench.trials.pictures import draw_again
    from bench.trials.plan import choose_device, plan
    from bench.trials.request import Request
    from bench.trials.run import answer_from_store, run

    export = tensorboard.exporter(chosen)
    plugins.load(chosen)
    given = {
        **vars(chosen),
        "settings": tuple(chosen.settings),
        "shifts": tuple(chosen.shifts) if chosen.shifts else None,
    }
    request = Request(**{field.name: given[field.name] for field in fields(Request)})
    enter(choose_device(request.device))
    planned = replace(plan(request), format=chosen.format)
    for remark in planned.data.remarks:
        print(f"bench: {remark}", file=sys.stderr)
    if chosen.dry_run:
        print("\n".join([*report.heading(planned), *report.dry_run(planned)]))
        return 0
    known = None if request.fresh else answer_from_store(planned, print)
    if known:
        print(f"answered from the store: {planned.folder} (--fresh computes it anew)")
        partner = _partner(planned, known)
        print("\n".join([*report.results(known), *_closing(known, partner), *export(planned.folder)]))
        if draw_again(planned, known):
            print(f"drew its pictures as {planned.format}")
        _say_what_is_next(chosen, request, planned, partner)
        return 0
    with Journal(planned.folder / "log.txt") as journal:
        say = journal.log if request.quiet else journal.say
        say("\n".join(report.heading(planned)))
        record = run(planned, request.fresh, say, journal.log)
        partner = _partner(planned, record)
        exported = export(planned.folder) if record.ok else []
        lines = [*report.results(record), *_closing(record, partner), *exported, f"record: {planned.folder}"]
        journal.say("\n".join(lines))
    if not record.ok:
        return 1
    _say_what_is_next(chosen, request, planned, partner)
    return 0


def _partner(planned: "PlannedTrial", record: "Record") -> "Record | None":
    from leaderboards.rows.pair import dense_partner

    return dense_partner(planned.folder.parent, record) if record.ok else None


def _closing(record: "Record", partner: "Record | None") -> Iterator[str]:
    """The paired change against the dense record beside this one, if there is one, and what all came to."""
    from leaderboards.rows.pair import paired_lines
    from leaderboards.rows.verdict import verdict

    if not record.ok:
        return
    if partner:
        yield from paired_lines(record, partner)
    yield verdict(record, partner)


def _say_what_is_next(
    chosen: argparse.Namespace, request: "Request", planned: "PlannedTrial", partner: "Record | None"
) -> None:
    from bench.cli import COMMANDS
    from bench.cli.next_commands import after_run, names_of

    if not request.quiet:
        print("\n  ".join(["next:", *after_run(request, planned, partner, chosen.plugin, names_of(COMMANDS))]))
