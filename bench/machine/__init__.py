"""The machine: arithmetic, memory, numerics, signals, provenance."""
