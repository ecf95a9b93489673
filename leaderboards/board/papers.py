"""Figures of papers: shown apart, never ranked."""

import tomllib
from dataclasses import dataclass, fields
from importlib import resources

from registries import RequestError


@dataclass(frozen=True)
class Reference:
    """A published figure.

    Attributes
    ----------
    method, data, protocol, source, caveat : str
    acceleration : int
    psnr : float
        dB.
    ssim : float or None
    verified : bool
        Whether somebody here ran it again.
    """

    method: str
    data: str
    acceleration: int
    protocol: str
    psnr: float
    source: str
    caveat: str
    verified: bool
    ssim: float | None = None


def read_references() -> tuple[Reference, ...]:
    """Read ``reference.toml``.

    Raises
    ------
    RequestError
        Naming the entry that is wrong.
    """
    content = tomllib.loads(resources.files("leaderboards").joinpath("reference.toml").read_text(encoding="utf-8"))
    names = {field.name for field in fields(Reference)}
    found = []
    for number, entry in enumerate(content["reference"], start=1):
        wrong = sorted((set(entry) - names) | (names - {"ssim"} - set(entry)))
        if wrong:
            raise RequestError(f"reference.toml, entry {number}: '{wrong[0]}' is unknown or missing")
        found.append(Reference(**entry))
    return tuple(found)
