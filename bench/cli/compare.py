"""``compare``: is a difference between two rows real, and does it hold out of distribution?"""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "compare",
        help="paired differences between two rows, with intervals",
        description="Compare two rows, or with --track the contrasts that a track declares (Holm-corrected).",
    )
    parser.add_argument("results", metavar="RESULTS", help="folder of records")
    parser.add_argument("--a", metavar="ROW", help="row name, e.g. modl/snip/at-init/0.9")
    parser.add_argument("--b", metavar="ROW", help="row name, e.g. modl/dense")
    parser.add_argument("--track", metavar="TRACK", help="its confirmatory contrasts instead of --a and --b")
    parser.add_argument("--metric", default="psnr", metavar="M", help="psnr (default), ssim, nmse, hfen, …")
    parser.add_argument("--plot", metavar="FILE", help="forest plot (default: RESULTS/compare.png)")
    parser.set_defaults(execute=execute)


def execute(chosen: argparse.Namespace) -> int:
    """Carry out the command."""
    from pathlib import Path

    from bench.metrics import METRICS
    from bench.report import aligned
    from leaderboards.compare import compare, confirmed, lines
    from leaderboards.forest import forest_plot
    from leaderboards.results import Condition, read_records, row_of
    from registries import RequestError

    if chosen.metric not in METRICS:
        raise RequestError(f"--metric {chosen.metric}: there are {', '.join(METRICS)}")
    folder = Path(chosen.results)
    records = read_records(folder)
    if chosen.track:
        from bench.track import tracks

        track = tracks.get(chosen.track)
        if not track.contrasts:
            raise RequestError(f"track '{track.name}' declares no confirmatory contrasts: use --a and --b")
        found = []
        for contrast in track.contrasts:
            a, b = (row_of(records, name, str(folder)) for name in (contrast.a, contrast.b))
            found += compare(a, b, chosen.metric, [Condition(contrast.split, contrast.shift)])
        title = f"confirmatory contrasts of track {track.name}"
        print(f"{title}, {chosen.metric}; {found[0].estimate.wording}; Holm-corrected at 5 %")
        table = [["contrast", *next(lines(found)), "p (Holm)", ""]]
        for one, cells, (value, claim) in zip(found, list(lines(found))[1:], confirmed(found), strict=True):
            table.append([f"{one.a} − {one.b}", *cells, f"{value:.2g}", "different" if claim else "open"])
        print("\n".join(aligned(table)))
    else:
        if not (chosen.a and chosen.b):
            raise RequestError("compare: name two rows with --a and --b, or a --track with contrasts")
        a, b = (row_of(records, name, str(folder)) for name in (chosen.a, chosen.b))
        found = compare(a, b, chosen.metric)
        if not found:
            raise RequestError(f"{a.name} and {b.name} were evaluated on no common split")
        title = f"{a.name} − {b.name}"
        print(f"{title}, {chosen.metric}; {found[0].estimate.wording}; exploratory, no p-values")
        print("\n".join(aligned(list(lines(found)))))
        if found[0].unpaired_seeds:
            print(f"left out: {found[0].unpaired_seeds} seeds that only one of the rows has")
    plot = Path(chosen.plot) if chosen.plot else folder / "compare.png"
    forest_plot(plot, found, title)
    print(f"forest plot: {plot}")
    return 0
