"""The U-Net of DDPM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, final

from pydantic import Field, model_validator

from wb_denoisers.size import check_size
from workbench.interfaces import CombinationError, Denoiser, SampleSpec

if TYPE_CHECKING:
    from torch import nn

Multiplier = Annotated[int, Field(ge=1, le=64)]
Resolution = Annotated[int, Field(ge=1, le=4096)]


@final
class UNet(Denoiser):
    """Residual blocks with group norm and SiLU at several resolutions, joined by skips, with attention at some of them.

    Ho, Jain & Abbeel 2020 (arXiv:2006.11239), appendix B. With 128 channels, multipliers [1, 2, 2, 2], 2 blocks and attention at 16
    it is their CIFAR-10 network (35.7 million parameters). The level enters every block through a sinusoidal embedding. `patch` is the
    patching of Hoogeboom, Heek & Salimans 2023 (arXiv:2301.11093), section 3.3; resolutions are then those of the folded image.

    `scale_shift` and `residual_resample` are the blocks of ADM (Dhariwal & Nichol 2021, arXiv:2105.05233, section 3). With both, 192
    channels, multipliers [1, 2, 3, 4], 3 blocks and attention at 32, 16 and 8 it is their ImageNet network at 64 pixels (296 million
    parameters), except for its learned variance and its heads of 64 channels each at every level.
    """

    replayable: ClassVar[bool] = True

    channels: int = Field(64, ge=8, le=2048, multiple_of=8, description="channels at the full resolution")
    multipliers: tuple[Multiplier, ...] = Field(
        (1, 2, 2),
        min_length=1,
        max_length=8,
        description="channels of each level, as multiples; each level halves the resolution",
    )
    blocks: int = Field(2, ge=1, le=16, description="residual blocks per level on the way down; one more on the way up")
    attention: tuple[Resolution, ...] = Field(
        (16,), max_length=16, description="resolutions (pixels) with self-attention after each block; the middle always has it"
    )
    patch: int = Field(
        1,
        ge=1,
        le=16,
        description="side of the squares of pixels that are folded into channels first: less computation at the full resolution",
    )
    heads: int = Field(1, ge=1, le=64, description="attention heads")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="fraction of features dropped in every residual block")
    scale_shift: bool = Field(
        False, description="the level scales and shifts the output of each block's second norm, instead of being added before it"
    )
    residual_resample: bool = Field(
        False, description="residual blocks change the resolution, by means and repetition, instead of single convolutions"
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> UNet:
        uneven = [m * self.channels for m in self.multipliers if m * self.channels % self.heads]
        if uneven:
            raise ValueError(f"heads ({self.heads}) must divide the channels of every level, but does not divide {uneven[0]}")
        return self

    def check(self, spec: SampleSpec) -> None:
        """Raise CombinationError if the sides cannot be halved often enough, or the weights exceed any memory."""
        factor = self.patch * 2 ** (len(self.multipliers) - 1)
        if spec.height % factor or spec.width % factor:
            raise CombinationError(
                "denoiser.multipliers",
                f"{len(self.multipliers)} levels with patch = {self.patch} need sides that are multiples of {factor}, but the images are "
                f"{spec.height} x {spec.width}. Use fewer multipliers, a smaller patch or another dataset.image_size.",
            )
        # Two 3 x 3 convolutions in each block, down, up and in the middle; those on the way up are larger.
        widths = [multiplier * self.channels for multiplier in self.multipliers]
        check_size("denoiser.channels", sum((2 * self.blocks + 1) * 18 * width**2 for width in widths))

    def warnings(self, spec: SampleSpec) -> Sequence[str]:
        """Name the resolutions in `attention` that never occur."""
        side = spec.height // self.patch
        sides = [side // 2**depth for depth in range(len(self.multipliers))]
        absent = [resolution for resolution in self.attention if resolution not in sides]
        if not absent:
            return ()
        never = " and ".join(map(str, absent))
        return (f"attention = {list(self.attention)}: {never} never occurs, the resolutions are {', '.join(map(str, sides))}",)

    def build(self, spec: SampleSpec) -> nn.Module:
        """Return a network for samples of `spec`. Raises CombinationError as `check`."""
        from wb_denoisers.unet_network import UNetNetwork

        self.check(spec)
        return UNetNetwork(self, spec)
