"""The page: one self-contained file, with an embedded table library."""

from leaderboards.page.build import page

__all__ = ["page"]
