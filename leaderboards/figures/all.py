"""Drawing every figure of a board."""

from collections.abc import Callable, Mapping
from pathlib import Path

from leaderboards.board.values import Board, Panel
from leaderboards.figures.cost import quality_against_cost
from leaderboards.figures.densities import layer_densities
from leaderboards.figures.examples import reconstructions
from leaderboards.figures.forest import draw_forest
from leaderboards.figures.overview import overview
from leaderboards.figures.robustness import robustness
from leaderboards.figures.sparsity import quality_against_sparsity
from leaderboards.figures.speed import quality_against_speed
from leaderboards.figures.style import save, styled
from leaderboards.rows.compare import confirmed
from records import pictures
from records.examples import Example

OF_PANEL: Mapping[str, tuple[str, Callable[[Panel], object]]] = {
    "sparsity": (
        "Change against dense by sparsity, with 95 % intervals",
        quality_against_sparsity,
    ),
    "robustness": ("In against out of distribution", robustness),
    "cost": ("Quality against cost, with the Pareto front", quality_against_cost),
    "overview": ("Change against dense by architecture, timing and pruner", overview),
    "densities": ("Fraction of weights kept in each layer, masks at initialization", layer_densities),
}


def draw_all(board: Board, examples: Mapping[str, Mapping[str, Example]], folder: Path) -> list[tuple[str, str]]:
    """Draw the figures of the first panel, the confirmatory forest plot and the examples.

    Returns
    -------
    list of (str, str)
        Name and caption of each figure that there is something to draw for.
    """
    drawn: list[tuple[str, str]] = []
    panel = board.panels[0]
    with styled():
        if board.contrasts:
            claims = [claim for _, claim in confirmed(board.contrasts, board.family)]
            save(draw_forest(board.contrasts, "confirmatory contrasts", claims), folder, "contrasts")
            drawn.append(("contrasts", "Confirmatory contrasts with 95 % intervals; grey: nothing is confirmed"))
        for name, (caption, draw) in OF_PANEL.items():
            figure = draw(panel)
            if figure is not None:
                save(figure, folder, name)  # type: ignore[arg-type]
                drawn.append((name, caption))
        figure = quality_against_speed(board)
        if figure is not None:
            save(figure, folder, "speed")
            drawn.append(("speed", "Quality against measured speed of compacted networks"))
        for split in (condition.split for condition in panel.both):
            figure = reconstructions(examples, split)
            if figure is not None:
                name = f"reconstructions-{split}"
                for suffix in ("svg", "png"):
                    pictures.save(figure, folder / f"{name}.{suffix}")
                drawn.append((name, f"Reconstructions of one {split} slice, a detail of each, and their errors"))
    return drawn
