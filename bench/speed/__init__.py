"""Speed, measured pairwise in one process; the only place where the suite makes claims about time."""
