"""Formats of pictures, without anything that draws: the command line names them in its help."""

FORMATS = ("png", "svg", "pdf")
