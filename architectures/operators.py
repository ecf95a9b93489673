"""Physics of a parallel MRI acquisition: centred FFT, the SENSE operator and a differentiable conjugate gradient."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

IMAGE_AXES = (-2, -1)


def centred_fft(image: Tensor, axes: Sequence[int] = IMAGE_AXES) -> Tensor:
    """Orthonormal FFT with the zero frequency and the image's centre in the middle of the array."""
    shifted = torch.fft.ifftshift(image, dim=tuple(axes))
    kspace: Tensor = torch.fft.fftshift(torch.fft.fftn(shifted, dim=tuple(axes), norm="ortho"), dim=tuple(axes))
    return kspace


def centred_ifft(kspace: Tensor, axes: Sequence[int] = IMAGE_AXES) -> Tensor:
    """Inverse, and adjoint, of `centred_fft`."""
    shifted = torch.fft.ifftshift(kspace, dim=tuple(axes))
    image: Tensor = torch.fft.fftshift(torch.fft.ifftn(shifted, dim=tuple(axes), norm="ortho"), dim=tuple(axes))
    return image


def sense_forward(image: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
    """A x = M F S x: image ``(B, H, W)`` complex to k-space ``(B, C, H, W)``, zero where not sampled."""
    return mask * centred_fft(maps * image.unsqueeze(1))


def sense_adjoint(kspace: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
    """Aᴴ y = Sᴴ Fᴴ M y: k-space ``(B, C, H, W)`` to image ``(B, H, W)`` complex."""
    return (maps.conj() * centred_ifft(mask * kspace)).sum(1)


@dataclass(frozen=True)
class NormalOperator:
    """AᴴA of the SENSE operator, without shifts and without transforms that cancel.

    Fᴴ M F is a circular convolution and commutes with shifts of the image, so only the mask has to be shifted;
    along an axis on which the mask is constant the two transforms are each other's inverse and drop out.

    Attributes
    ----------
    maps, conjugate_maps : Tensor
        ``(B, C, H, W)`` complex; the conjugate is written out once, as a lazy one is copied in every product.
    shifted_mask : Tensor
        The sampling mask with the zero frequency first.
    axes : tuple of int
        The axes that need a transform.
    """

    maps: Tensor
    conjugate_maps: Tensor
    shifted_mask: Tensor
    axes: tuple[int, ...]

    @classmethod
    def of(cls, maps: Tensor, mask: Tensor) -> "NormalOperator":
        """Set up for coil maps ``(B, C, H, W)`` and a mask ``(B, 1, 1, W)`` or ``(B, 1, H, W)``."""
        return cls(maps, maps.conj().resolve_conj(), *shift_mask(mask, maps.real.dtype))

    def __call__(self, image: Tensor) -> Tensor:
        """Apply to an image ``(B, H, W)`` complex."""
        if self.maps.requires_grad:
            coil_images = sample_again(self.maps * image.unsqueeze(1), self.shifted_mask, self.axes)
            return (self.conjugate_maps * coil_images).sum(1)
        result: Tensor = _SenseNormal.apply(image, self.maps, self.conjugate_maps, self.shifted_mask, self.axes)
        return result

    def of_every_coil(self, image: Tensor) -> Tensor:
        """The same from an image ``(B, 1, H, W)``, without derivatives: what each coil sees is sampled and combined."""
        kspace = torch.fft.fftn(self.maps * image, dim=self.axes, norm="ortho").mul_(self.shifted_mask)
        coil_images = torch.fft.ifftn(kspace, dim=self.axes, norm="ortho")
        result: Tensor = coil_images.mul_(self.conjugate_maps).sum(1)
        return result


def shift_mask(mask: Tensor, dtype: torch.dtype) -> tuple[Tensor, tuple[int, ...]]:
    """A sampling mask with the zero frequency first, and the axes along which it changes."""
    axes = tuple(axis for axis in IMAGE_AXES if mask.shape[axis] > 1)
    return torch.fft.ifftshift(mask, dim=axes).to(dtype), axes


def sample_again(coil_images: Tensor, shifted_mask: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Fᴴ M F of coil images ``(B, C, H, W)``: what is left of them after sampling; see `NormalOperator`."""
    result: Tensor = _Sampling.apply(coil_images, shifted_mask, axes)
    return result


class _Sampling(torch.autograd.Function):
    """Fᴴ M F. It is self-adjoint, so the backward pass is the same operation, and no intermediate is kept."""

    @staticmethod
    def forward(ctx: Any, coil_images: Tensor, shifted_mask: Tensor, axes: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(shifted_mask)
        ctx.axes = axes
        kspace = torch.fft.fftn(coil_images, dim=axes, norm="ortho").mul_(shifted_mask)
        result: Tensor = torch.fft.ifftn(kspace, dim=axes, norm="ortho")
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (shifted_mask,) = ctx.saved_tensors
        return _Sampling.apply(gradient, shifted_mask, ctx.axes), None, None


class _SenseNormal(torch.autograd.Function):
    """Sᴴ Fᴴ M F S for maps that are not learned; self-adjoint, as above."""

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, maps: Tensor, conjugate_maps: Tensor, shifted_mask: Tensor, axes: tuple[int, ...]
    ) -> Tensor:
        ctx.save_for_backward(maps, conjugate_maps, shifted_mask)
        ctx.axes = axes
        return NormalOperator(maps, conjugate_maps, shifted_mask, axes).of_every_coil(image.unsqueeze(1))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        return _SenseNormal.apply(gradient, *ctx.saved_tensors, ctx.axes), None, None, None, None


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Real part of ⟨a, b⟩ per sample: ``(B, …)`` complex to ``(B, 1, 1)`` real."""
    return (torch.view_as_real(a) * torch.view_as_real(b)).flatten(1).sum(1)[:, None, None]


def rounding_level(dtype: torch.dtype) -> float:
    """Relative size below which an inner product is no more than rounding."""
    return 10 * float(torch.finfo(dtype).eps)


def conjugate_gradient(operator: Callable[[Tensor], Tensor], right: Tensor, start: Tensor, iterations: int) -> Tensor:
    """Solve ``operator(x) = right`` by a fixed number of conjugate-gradient steps (Hestenes & Stiefel 1952).

    The steps are unrolled, so that first and second derivatives are those of the numbers computed; a sample whose
    residual has reached rounding level is frozen, which keeps images and derivatives finite.

    Parameters
    ----------
    operator : callable
        Hermitian positive definite, ``(B, H, W)`` complex to the same.
    right, start : Tensor
        ``(B, H, W)`` complex.
    iterations : int
        Number of steps, at least 1.
    """
    return next(islice(conjugate_gradient_steps(operator, right, start), iterations - 1, None))


def conjugate_gradient_steps(operator: Callable[[Tensor], Tensor], right: Tensor, start: Tensor) -> Iterator[Tensor]:
    """The solution after one step, two steps and so on, without end; see `conjugate_gradient`."""
    solution = start
    residual = right - operator(start)
    direction = residual
    energy = inner(residual, residual)
    length = energy.detach()  # ‖direction‖², by recurrence: residuals are orthogonal to earlier directions
    rounding = rounding_level(energy.dtype)
    floor = rounding**2 * inner(right, right).detach()
    one = torch.ones_like(energy)
    while True:
        applied = operator(direction)
        curvature = inner(direction, applied)
        # solved, or a direction that the operator does not see: to go on would be to divide rounding errors
        active = ~((energy <= floor) | (curvature <= rounding * length))
        curvature = torch.where(active, curvature, one)
        step = torch.where(active, energy / curvature, 0)
        solution = solution + step * direction
        yield solution
        residual = residual - step * applied
        previous = torch.where(active, energy, one)
        energy = inner(residual, residual)
        turn = torch.where(active, energy / previous, 0)
        direction = residual + turn * direction
        length = (energy + turn**2 * length).detach()


def magnitude(image: Tensor) -> Tensor:
    """|x| of a complex image, with the derivative 0 at 0 for first and second order."""
    power = torch.view_as_real(image).square().sum(-1)
    zero = power == 0  # false for NaN, which must not vanish here
    return torch.where(zero, 0.0, torch.where(zero, 1.0, power).sqrt())
