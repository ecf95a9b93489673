"""Using what was trained: scores on other data, reconstructions of files."""
