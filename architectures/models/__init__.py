"""The unrolled networks, one file each."""
