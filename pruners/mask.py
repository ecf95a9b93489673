"""A mask is a value: which weights are kept, validated, hashable, never hidden in a module."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import torch
from torch import Tensor

SCOPES = ("global", "layer-wise", "erk")


def kept_count(total: int, sparsity: str | Decimal) -> int:
    """N − round_half_up(sparsity · N), in exact decimal arithmetic.

    Parameters
    ----------
    total : int
        N, the number of prunable weights.
    sparsity : str or Decimal
        Fraction removed, e.g. ``"0.9"``.
    """
    return total - int((Decimal(sparsity) * total).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def round_counts(kept: int, target: int, rounds: int) -> tuple[int, ...]:
    """Weights kept after each of several rounds: a geometric sequence from ``kept`` to ``target``, ending exactly.

    k_r = k_0^(1 − r/n) · k_n^(r/n) (Tanaka et al. 2020; de Jorge et al. 2021), in decimal arithmetic.
    """
    ratio = Decimal(max(target, 1)) / Decimal(max(kept, 1))
    found = [int((kept * ratio ** (Decimal(r) / rounds)).quantize(Decimal(1))) for r in range(1, rounds)]
    return (*found, target)


def growing_counts(kept: int, target: int, rounds: int) -> tuple[int, ...]:
    """As `round_counts`, round r of n removing r/(1 + … + n) of what is to go: each more than the one before."""
    last = rounds * (rounds + 1)
    return tuple(kept - (kept - target) * r * (r + 1) // last for r in range(1, rounds + 1))


class Mask(Mapping[str, Tensor]):
    """One boolean tensor per prunable weight, true where kept.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Copied, so that a mask never changes.

    Raises
    ------
    ValueError
        If a tensor is not boolean or there is none.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        if not tensors:
            raise ValueError("a mask needs at least one weight")
        for name, tensor in tensors.items():
            if tensor.dtype != torch.bool:
                raise ValueError(f"mask of '{name}' is {tensor.dtype}, not bool")
        self._tensors = {name: tensor.detach().clone() for name, tensor in tensors.items()}

    @classmethod
    def full(cls, weights: Mapping[str, Tensor]) -> "Mask":
        """The mask that keeps everything."""
        return cls({name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()})

    @classmethod
    def from_scores(
        cls, scores: Mapping[str, Tensor], keep: int, scope: str = "global", within: "Mask | None" = None
    ) -> "Mask":
        """Keep the ``keep`` highest scores.

        Parameters
        ----------
        scores : mapping of str to Tensor
            One finite score per weight.
        keep : int
            How many weights are kept in total.
        scope : str
            ``global``; ``layer-wise``: the same density in each layer; ``erk``: densities by the Erdős–Rényi kernel
            rule (Evci et al. 2020). Per-layer counts are rounded by largest remainder, so that they sum to ``keep``.
        within : Mask, optional
            Only weights that this mask keeps may be kept. Ties go to the weight that comes first.

        Raises
        ------
        ValueError
            For scores that are not finite, another set of weights in ``within``, an unknown scope, or a ``keep``
            that is not available.
        """
        candidates = within if within is not None else cls.full(scores)
        _check_scores(scores, candidates, keep, scope)
        if scope == "global":
            counts = None
            groups = [list(scores)]
        else:
            counts = _layer_counts(candidates, keep, scope)
            groups = [[name] for name in scores]
        kept: dict[str, Tensor] = {}
        for names in groups:
            flat = torch.cat([scores[n].detach().flatten() for n in names])
            allowed = torch.cat([candidates[n].flatten() for n in names])
            number = keep if counts is None else counts[names[0]]
            order = torch.argsort(flat.masked_fill(~allowed, -torch.inf), descending=True, stable=True)
            chosen = torch.zeros_like(allowed)
            chosen[order[:number]] = True
            parts = torch.split(chosen, [scores[n].numel() for n in names])
            kept |= {n: part.reshape(scores[n].shape) for n, part in zip(names, parts, strict=True)}
        return cls(kept)

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mask) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __and__(self, other: "Mask") -> "Mask":
        """What both keep."""
        return Mask({name: kept & other[name] for name, kept in self.items()})

    @torch.no_grad()
    def apply_(self, weights: Mapping[str, Tensor]) -> None:
        """Set pruned weights to exactly zero, in place.

        Raises
        ------
        ValueError
            If a weight is missing or of another shape.
        """
        for name, kept in self.items():
            if name not in weights or weights[name].shape != kept.shape:
                raise ValueError(f"mask of '{name}' fits no weight")
            weights[name].masked_fill_(~kept.to(weights[name].device), 0)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return next(iter(self._tensors.values())).device

    def to(self, device: torch.device | str) -> "Mask":
        """The same mask on a device."""
        return Mask({name: tensor.to(device) for name, tensor in self.items()})

    def in_order_of(self, names: Iterable[str]) -> "Mask":
        """The same in another order: draws and sums go weight by weight, and a file keeps no order."""
        return Mask({name: self[name] for name in names if name in self})

    def overlap(self, other: "Mask") -> float:
        """Fraction of the weights this mask keeps that the other one keeps, too; 1 for a mask that keeps none."""
        common = sum(int((kept & other[name].to(kept.device)).sum()) for name, kept in self.items())
        return common / self.kept if self.kept else 1.0

    @property
    def kept(self) -> int:
        """Number of weights kept."""
        return sum(int(tensor.sum()) for tensor in self.values())

    @property
    def total(self) -> int:
        """Number of prunable weights."""
        return sum(tensor.numel() for tensor in self.values())

    @property
    def density(self) -> float:
        """Fraction of prunable weights kept."""
        return self.kept / self.total

    @property
    def sha256(self) -> str:
        """Hash of names, shapes and bits."""
        digest = hashlib.sha256()
        for name in sorted(self):
            tensor = self[name].cpu().contiguous()
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()


def _check_scores(scores: Mapping[str, Tensor], candidates: Mask, keep: int, scope: str) -> None:
    if scope not in SCOPES:
        raise ValueError(f"unknown scope '{scope}': there are {', '.join(SCOPES)}")
    if set(scores) != set(candidates):
        raise ValueError("scores and mask name different weights")
    for name, score in scores.items():
        if score.shape != candidates[name].shape:
            raise ValueError(f"score of '{name}' has shape {tuple(score.shape)}, not {tuple(candidates[name].shape)}")
        if not torch.isfinite(score).all():
            raise ValueError(f"score of '{name}' is not finite everywhere")
    if not 0 <= keep <= candidates.kept:
        raise ValueError(f"cannot keep {keep} of {candidates.kept} weights")


def _layer_counts(candidates: Mapping[str, Tensor], keep: int, scope: str) -> dict[str, int]:
    """Weights to keep in each layer: shares ∝ capacity (layer-wise) or ∝ the sum of the dimensions (ERK).

    A layer whose share exceeds what it has is filled and the rest is spread over the others, exactly.
    """
    capacity = {name: int(mask.sum()) for name, mask in candidates.items()}
    raw = {n: capacity[n] if scope == "layer-wise" else sum(mask.shape) for n, mask in candidates.items()}
    counts: dict[str, int] = {}
    open_layers = [name for name in capacity if capacity[name]]
    while open_layers:
        left = keep - sum(counts.values())
        scale = Fraction(left, sum(raw[n] for n in open_layers))
        overfull = [n for n in open_layers if raw[n] * scale > capacity[n]]
        if not overfull:
            counts |= _largest_remainder({n: raw[n] * scale for n in open_layers}, left)
            break
        counts |= {n: capacity[n] for n in overfull}
        open_layers = [n for n in open_layers if n not in overfull]
    return {name: counts.get(name, 0) for name in capacity}


def _largest_remainder(shares: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Round shares to integers that sum to ``total`` (Hamilton's method; ties to the first)."""
    counts = {name: int(share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: counts[name] - shares[name])
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def random_scores(like: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Uniform scores in float64, of these shapes."""
    return {name: torch.rand(value.shape, generator=generator, dtype=torch.float64) for name, value in like.items()}
