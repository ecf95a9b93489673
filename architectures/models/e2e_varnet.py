"""End-to-end variational network: soft data consistency, one U-Net per cascade, coil maps estimated by a network."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from architectures.contract import Architecture, architecture
from architectures.operators import centred_ifft, sample_again, shift_mask
from architectures.recompute import recomputed
from architectures.unet import NormalisedUNet, as_channels, as_complex


class SensitivityNetwork(nn.Module):
    """Coil maps from the fully sampled centre: a U-Net on each coil image, divided by their root sum of squares.

    Parameters
    ----------
    channels, pools
        Of the U-Net.
    residual : bool
        The U-Net changes the coil images instead of giving maps, so that it starts from their own maps.
    """

    def __init__(self, channels: float, pools: int, residual: bool = False) -> None:
        super().__init__()
        self.norm_unet = NormalisedUNet(channels, pools, residual)

    def forward(self, kspace: Tensor, mask: Tensor) -> Tensor:
        """Undersampled k-space ``(B, C, H, W)`` to coil maps of the same shape."""
        batch, coils, height, width = kspace.shape
        images = centred_ifft(kspace * sampled_centre(mask)).reshape(batch * coils, height, width)
        found = as_complex(self.norm_unet(as_channels(images))).reshape(batch, coils, height, width)
        norm = torch.view_as_real(found).square().sum(dim=(1, -1), keepdim=True)[..., 0]
        return found / torch.where(norm == 0, 1.0, norm).sqrt()


class Cascade(nn.Module):
    """c ← c − η (Fᴴ M F c − c₀) − S U(Sᴴ c) on coil images c.

    In k-space this is the update of the paper. The transforms along a fully sampled axis cancel, and Fᴴ M F commutes
    with the shifts of centred transforms; so coil images need one pair of transforms along the phase encoding.
    """

    def __init__(self, channels: float, pools: int) -> None:
        super().__init__()
        self.model = NormalisedUNet(channels, pools)
        self.dc_weight = nn.Parameter(torch.ones(1))

    def forward(
        self, coil_images: Tensor, data: Tensor, maps: Tensor, sampling: tuple[Tensor, tuple[int, ...]]
    ) -> Tensor:
        """All of shape ``(B, C, H, W)`` complex."""
        inconsistency = sample_again(coil_images, *sampling) - data
        combined = torch.linalg.vecdot(maps, coil_images, dim=1)
        refinement = as_complex(self.model(as_channels(combined)))
        return coil_images - self.dc_weight * inconsistency - maps * refinement.unsqueeze(1)


class VarNet(Architecture):
    """E2E-VarNet with the state dict of `fastmri.models.VarNet`; coil maps given to it are ignored.

    Parameters
    ----------
    sensitivity : SensitivityNetwork
        Estimates coil maps.
    cascades : iterable of Cascade
    """

    follows_scale = True

    def __init__(self, sensitivity: SensitivityNetwork, cascades: Iterable[Cascade]) -> None:
        super().__init__()
        self.sens_net = sensitivity
        self.cascades = nn.ModuleList(cascades)

    def groups(self) -> Mapping[str, nn.Module]:
        """The cascades and the network that estimates coil maps."""
        return {"denoiser": self.cascades, "sensitivity": self.sens_net}

    def denoisers(self) -> tuple[nn.Module, ...]:
        """The U-Nets of the cascades."""
        return tuple(cascade.get_submodule("model") for cascade in self.cascades)

    def networks(self) -> Mapping[str, nn.Module]:
        """The U-Nets without their normalisation, that of the coil maps first."""
        names = ["sens_net.norm_unet.unet", *(f"cascades.{index}.model.unet" for index in range(len(self.cascades)))]
        return {name: self.get_submodule(name) for name in names}

    def forward(self, kspace: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """Reconstruct; shapes as in `Architecture.forward`."""
        estimated = self._run(self.sens_net, kspace, mask)
        sampling = shift_mask(mask, kspace.real.dtype)
        data = centred_ifft(kspace)
        coil_images = data
        for cascade in self.cascades:
            coil_images = self._run(cascade, coil_images, data, estimated, sampling)
        power = torch.view_as_real(coil_images).square().sum(dim=(1, -1))
        zero = power == 0
        return torch.where(zero, 0.0, torch.where(zero, 1.0, power).sqrt())

    def _run(self, module: nn.Module, *inputs: object) -> Tensor:
        result: Tensor = recomputed(module, *inputs) if self.recompute else module(*inputs)
        return result


def sampled_centre(mask: Tensor) -> Tensor:
    """Mask of the fully sampled centre of a sampling mask, of the same shape.

    Of columns ``(B, 1, 1, W)`` as fastMRI finds it: the run of sampled ones around the centre, made symmetric; at least
    one. Of a 2-D pattern ``(B, 1, H, W)`` the block that such runs along its central row and column span.
    """
    columns = _central_run(mask[:, 0, mask.shape[2] // 2])[:, None, None, :]
    if mask.shape[2] == 1:
        return columns
    return columns & _central_run(mask[:, 0, :, mask.shape[3] // 2])[:, None, :, None]


def _central_run(sampled: Tensor) -> Tensor:
    """Of lines ``(B, N)`` the symmetric run of sampled points around the centre."""
    line = sampled.to(torch.int8)
    width = line.shape[1]
    half = width // 2
    left, right = torch.argmin(line[:, :half].flip(1), dim=1), torch.argmin(line[:, half:], dim=1)
    # argmin of a run without a gap is 0; then everything on that side is sampled
    left = torch.where(line[:, :half].all(dim=1), half, left)
    right = torch.where(line[:, half:].all(dim=1), width - half, right)
    lines = torch.clamp(2 * torch.minimum(left, right), min=1)
    first = (width - lines + 1) // 2
    place = torch.arange(width, device=line.device)
    return (place >= first[:, None]) & (place < (first + lines)[:, None])


@architecture(
    version=3,
    init="normal-0.02",
    source="Sriram et al. 2020, arXiv:2004.06688; state dict and output of fastmri.models.VarNet, which starts "
    "by the rule of torch; at sizes below paper the network of the coil maps changes those of the calibration lines, "
    "which short trainings do not learn to find (ours)",
    sharing="nothing is shared",
    needs=(),
    sizes={
        "toy": {
            "cascades": 2,
            "channels": 4,
            "pools": 2,
            "sensitivity_channels": 2,
            "sensitivity_pools": 2,
            "residual_sensitivity": 1,
        },
        "demo": {
            "cascades": 4,
            "channels": 8,
            "pools": 2,
            "sensitivity_channels": 4,
            "sensitivity_pools": 2,
            "residual_sensitivity": 1,
        },
        "mini": {
            "cascades": 8,
            "channels": 8,
            "pools": 2,
            "sensitivity_channels": 4,
            "sensitivity_pools": 2,
            "residual_sensitivity": 1,
        },
        "paper": {
            "cascades": 12,
            "channels": 18,
            "pools": 4,
            "sensitivity_channels": 8,
            "sensitivity_pools": 4,
        },
    },
)
def e2e_varnet(
    cascades: int,
    channels: float,
    pools: int,
    sensitivity_channels: float,
    sensitivity_pools: int,
    residual_sensitivity: int = 0,
) -> VarNet:
    """E2E-VarNet: k-space iterates, one U-Net per cascade, learned coil maps, soft data consistency.

    Parameters
    ----------
    cascades : int
    channels, pools
        Of the U-Net in each cascade: see `NormalisedUNet`.
    sensitivity_channels, sensitivity_pools
        Of the U-Net that estimates coil maps.
    residual_sensitivity : int
        1 for yes: see `SensitivityNetwork`.
    """
    sensitivity = SensitivityNetwork(sensitivity_channels, sensitivity_pools, bool(residual_sensitivity))
    return VarNet(sensitivity, (Cascade(channels, pools) for _ in range(cascades)))
