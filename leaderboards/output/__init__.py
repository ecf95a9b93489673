"""A board as text: cells, Markdown, CSV, LaTeX, card."""
