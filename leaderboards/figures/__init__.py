"""The figures of a board, one module each; every figure is written as SVG and PNG, the same bytes each time."""
