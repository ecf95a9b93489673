"""Measured speed of rows: read beside records, published as ratios, shown beside quality."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records.row_name import RowName
from records.setting import CellKey
from registries import RequestError
from registries.reading import read_json

FILE = "speed.json"
"""Beside a record what was measured of it, beside a board the ratios of all its rows."""
SCHEMA = 1
ABOUT = ("track", "device", "kind", "mask")
TRIAL = ("size", "train_on", "acceleration", "seed")
KEPT = ("difference", "macs", "parameters", "bytes", "runs", "shape", "threads", "torch")


@dataclass(frozen=True)
class Ratio:
    """Dense over it: above 1 it is better than dense.

    Attributes
    ----------
    median, low, high : float
        Of runs side by side, with quartiles.
    """

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f}× ({self.low:.2f}–{self.high:.2f})"


@dataclass(frozen=True)
class Speed:
    """What was measured of one trained network on one device.

    Attributes
    ----------
    cell : CellKey
        The trial.
    track : str
    device, kind : str
        Its name, and ``cpu`` or ``cuda``.
    mask : str
        SHA-256 of the network's mask.
    content : mapping
        As it is published.
    """

    cell: CellKey
    track: str
    device: str
    kind: str
    mask: str
    content: Mapping[str, Any]

    @classmethod
    def of(cls, content: Any, where: Path) -> "Speed":
        """Of the content of a file; times in milliseconds are left out, as they say nothing about other machines.

        Raises
        ------
        RequestError
            Naming the file and what is missing.
        """
        try:
            if content["schema"] != SCHEMA:
                raise RequestError(f"{where}: is of schema {content['schema']}, not {SCHEMA}; measure it anew")
            trial = content["trial"]
            kept = {name: content[name] for name in KEPT}
            batches = {
                batch: {
                    name: {"relative": list(values["relative"]), "peak_mib": values["peak_mib"]}
                    for name, values in timed.items()
                }
                for batch, timed in content["batches"].items()
            }
            cell = CellKey(_row(content["row"], where), **{name: trial[name] for name in TRIAL})
            about = {name: content[name] for name in ABOUT}
            found = cls(cell, **about, content={**kept, "batches": batches})
            found._check()
            return found
        except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError, IndexError) as error:
            raise RequestError(f"{where}: is no measurement of speed ({error!r})") from None

    def to_json(self) -> dict[str, Any]:
        """As it is published."""
        trial = {name: getattr(self.cell, name) for name in TRIAL}
        about = {"row": self.cell.row, **{name: getattr(self, name) for name in ABOUT}}
        return {"schema": SCHEMA, **about, "trial": trial, **self.content}

    @property
    def key(self) -> tuple[object, ...]:
        """Of which there is one on a board."""
        return *self.cell, self.device

    @property
    def place(self) -> str:
        """The device in words."""
        threads = self.content["threads"]
        return f"{self.device}, {threads} thread{'s' if threads > 1 else ''}" if self.kind == "cpu" else self.device

    @property
    def batches(self) -> tuple[str, ...]:
        """Numbers of slices that were timed at once."""
        return tuple(sorted(self.content["batches"], key=int))

    @property
    def first(self) -> str:
        """The smallest one."""
        return self.batches[0]

    def faster(self, network: str, batch: str) -> Ratio:
        """How many times faster than dense a network is: ``masked`` or ``compacted``."""
        low, median, high = (float(value) for value in self.content["batches"][batch][network]["relative"])
        return Ratio(1 / median, 1 / high, 1 / low)

    def memory(self, network: str, batch: str) -> float | None:
        """Share of dense's peak memory, or None where it was not measured."""
        dense, own = (self.content["batches"][batch][name]["peak_mib"] for name in ("dense", network))
        return None if dense is None or own is None or not dense else own / dense

    def share(self, what: str, kind: str) -> float:
        """Share of dense of ``macs``, ``parameters`` or ``bytes``."""
        return float(self.content[what][kind] / self.content[what]["dense"])

    def _check(self) -> None:
        """Everything that a board shows can be computed."""
        for batch in (self.first, *self.batches):
            for network in ("masked", "compacted"):
                self.faster(network, batch)
                self.memory(network, batch)
        for what in ("macs", "parameters", "bytes"):
            self.share(what, "compacted")
        self.share("bytes", "sparse")
        int(self.content["threads"])


def _row(text: str, where: Path) -> RowName:
    try:
        return RowName.parse(text)
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from None


def read_speeds(folders: Iterable[Path], track: str) -> tuple[Speed, ...]:
    """All measurements below some folders, those of a board included; the last of equal ones counts.

    Raises
    ------
    RequestError
        If one cannot be read.
    """
    found: dict[tuple[object, ...], Speed] = {}
    for folder in folders:
        for path in sorted(folder.glob(f"**/{FILE}")):
            try:
                content = read_json(path)
            except (OSError, ValueError) as error:
                raise RequestError(f"{path}: is not a valid measurement of speed: {error}") from None
            for part in content if isinstance(content, list) else [content]:
                speed = Speed.of(part, path)
                if speed.track == track:
                    found[speed.key] = speed
    return tuple(sorted(found.values(), key=lambda speed: tuple(map(str, speed.key))))


def write_speeds(folder: Path, speeds: Sequence[Speed]) -> None:
    """Write them beside a board, if there are any."""
    if speeds:
        content = [speed.to_json() for speed in speeds]
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
        (folder / FILE).write_text(text, encoding="utf-8", newline="\n")
