"""The figures of a board, one module each; every figure is written as SVG and PNG, the same bytes each time."""

from leaderboards.figures.all import draw_all

__all__ = ["draw_all"]
