"""All randomness is a function of (seed, purpose, step)."""

import hashlib

import torch


def seed_words(seed: int, *purpose: str | int) -> tuple[int, ...]:
    """Four 32-bit words for numpy's ``RandomState``, from the seed and what they are for."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return tuple(int.from_bytes(digest[i : i + 4], "big") for i in range(0, 16, 4))


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator of its own for a purpose."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
