"""``compare``: is a difference between two rows real, and does it hold out of distribution?"""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.cli import plugins
from bench.cli.numbers import whole
from records.trial import ACCELERATIONS

if TYPE_CHECKING:
    from leaderboards.rows.compare import Comparison
    from records.record import Record


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "compare",
        help="paired differences between two rows, with intervals",
        description="Compare two rows, all rows with a reference (--against), or with --track the contrasts that a "
        "track declares (Holm-corrected).",
    )
    parser.add_argument("results", metavar="RESULTS", help="folder of trials, or of evaluations on other data")
    parser.add_argument("--a", metavar="ROW", help="row name, e.g. modl/snip/at-init/0.9")
    parser.add_argument("--b", metavar="ROW", help="row name, e.g. modl/dense")
    parser.add_argument(
        "--against",
        nargs="+",
        metavar="PRUNER",
        help="every row with the row of this pruner, e.g. random dense, at its own timing and sparsity",
    )
    parser.add_argument("--track", metavar="TRACK", help="its confirmatory contrasts instead of --a and --b")
    parser.add_argument("--train-on", metavar="SET", help="rows of this training set alone")
    parser.add_argument(
        "--acceleration", type=whole(ACCELERATIONS), metavar="R", help="rows of this acceleration alone"
    )
    parser.add_argument(
        "--evaluated-on", metavar="TEXT", help="evaluations whose table says so alone, e.g. real, 8× or e0ca190a"
    )
    parser.add_argument("--metric", default="psnr", metavar="M", help="psnr (default), ssim, nmse, hfen, …")
    parser.add_argument("--plot", metavar="FILE", help="forest plot (default: RESULTS/compare.png)")
    plugins.add_option(parser)
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    from pathlib import Path

    from leaderboards.figures.forest import forest_plot
    from leaderboards.rows.reference_tables import against
    from leaderboards.rows.rows import read_records
    from records.setting import evaluated_on
    from registries import RequestError

    plugins.load(chosen)
    folder = Path(chosen.results)
    plot = Path(chosen.plot) if chosen.plot else folder / "compare.png"
    if plot.suffix not in (".png", ".svg", ".pdf"):
        raise RequestError(f"--plot {plot}: write a .png, .svg or .pdf")
    records = [
        record
        for record in read_records(folder, evaluations=True)
        if chosen.train_on in (None, record.trial.train_on)
        and chosen.acceleration in (None, record.trial.acceleration)
        and (chosen.evaluated_on is None or chosen.evaluated_on in (evaluated_on(record) or ""))
    ]
    if chosen.evaluated_on and not records:
        raise RequestError(f"--evaluated-on {chosen.evaluated_on}: no evaluation in {folder} is of such data")
    known = dict.fromkeys(name for record in records for volume in record.volumes[:1] for name in volume.metrics)
    if known and chosen.metric not in known:
        raise RequestError(f"--metric {chosen.metric}: there are {', '.join(known)}")
    if chosen.against:
        if chosen.a or chosen.b or chosen.track:
            raise RequestError("compare: --against takes every row; drop --a, --b and --track")
        for one_table in against(records, chosen.against, chosen.metric, str(folder)):
            print("\n".join([*one_table.lines, ""]))
        return 0
    found, title = (_confirmatory if chosen.track else _two_rows)(chosen, records, str(folder))
    forest_plot(plot, found, title)
    print(f"forest plot: {plot}")
    return 0


def _two_rows(chosen: argparse.Namespace, records: "list[Record]", where: str) -> "tuple[list[Comparison], str]":
    """Two rows on everything that both were evaluated on."""
    from leaderboards.rows.compare import compare, lines
    from leaderboards.rows.rows import row_of, shared_conditions
    from leaderboards.rows.soundness import outcomes, verdicts_of
    from records.row_name import RowName
    from registries import RequestError
    from registries.text import aligned

    if not (chosen.a and chosen.b):
        raise RequestError("compare: name two rows with --a and --b, --against a pruner, or a --track")
    a, b = (row_of(records, RowName.parse(name), where) for name in (chosen.a, chosen.b))
    found = compare(a, b, chosen.metric)
    if not found:
        raise RequestError(f"{a.name} and {b.name} were evaluated on no common split")
    title = f"{a.name} − {b.name}"
    print(f"{title}, {chosen.metric}; {found[0].estimate.wording}; exploratory, no p-values")
    print("\n".join([*aligned(list(lines(found))), *_left_out(found)]))
    for row in (a, b):
        for words in outcomes(verdicts_of(row.records.values(), row.name)):
            print(f"{row.name}: {words}, which say nothing about the method")
    left_out = shared_conditions(a, b, chosen.metric)[1]
    if left_out:
        names = dict.fromkeys(c.split if c.shift == "none" else c.shift for c in left_out)
        print(f"left out, as not every trial was evaluated there: {', '.join(names)}")
    return found, title


def _left_out(found: "list[Comparison]") -> Iterator[str]:
    """What to mind about pairs of rows."""
    from leaderboards.rows.compare import paired_by_weights

    for one in {(one.a, one.b): one for one in found}.values():
        if not paired_by_weights(one.a, one.b):
            yield f"{one.a} and {one.b} begin with other weights: paired by data and patients alone"
        if one.unpaired_seeds:
            yield f"left out: {one.unpaired_seeds} seeds that only one of {one.a} and {one.b} has finished"


def _confirmatory(chosen: argparse.Namespace, records: "list[Record]", where: str) -> "tuple[list[Comparison], str]":
    """The contrasts that a track fixed beforehand, on records of that track."""
    from bench.tracks.track import find_track
    from leaderboards.board.contrasts import answer
    from leaderboards.rows.compare import confirmed, lines
    from leaderboards.statistics import FEW_SEEDS
    from registries import RequestError
    from registries.text import aligned

    if chosen.a or chosen.b:
        raise RequestError("compare: --track names its own contrasts; drop --a and --b")
    track = find_track(chosen.track)
    if not track.contrasts:
        raise RequestError(f"track '{track.name}' declares no confirmatory contrasts: use --a and --b")
    if chosen.metric != track.contrasts[0].metric:
        raise RequestError(f"--metric {chosen.metric}: the contrasts of track '{track.name}' are of their own metric")
    own = [record for record in records if record.trial.resolved.track == track.name]
    if not own:
        raise RequestError(f"{where}: holds no record of track '{track.name}'")
    answered = answer(track.contrasts, own, track.name)
    found = list(answered.found)
    for name in answered.withdrawn:
        print(f"no verdict: {name}")
    if answered.missing:
        first, *others = answered.missing
        print(f"not there yet: {first}{f', and {len(others)} more' if others else ''}")
    for note in answered.notes:
        print(note)
    if not found:
        raise RequestError(f"{where}: answers no contrast of track '{track.name}'")
    table = [["contrast", *next(lines(found)), "p (Holm)", "claim"]]
    judged = confirmed(found, answered.family)
    for one, cells, (value, claim) in zip(found, list(lines(found))[1:], judged, strict=True):
        verdict = "too few seeds" if claim is None else "different" if claim else "open"
        table.append([f"{one.a} − {one.b}", *cells, "" if claim is None else f"{value:.2g}", verdict])
    title = f"confirmatory contrasts of track {track.name}, {track.contrasts[0].metric}"
    print(f"{title}; Holm-corrected at 5 %; claims need {FEW_SEEDS} seeds, up to a fifth left out")
    print("\n".join([*aligned(table), *_left_out(found)]))
    return found, title
