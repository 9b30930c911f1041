"""The UNet2DModel of diffusers as a denoiser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field, model_validator

from workbench.interfaces import CombinationError, Denoiser, SampleSpec

if TYPE_CHECKING:
    from torch import nn

MOST_PARAMETERS = 20_000_000_000  # 80 GB of weights, and five times as much to train them

Channels = Annotated[int, Field(ge=8, le=4096)]
DownBlock = Literal["AttnDownBlock2D", "DownBlock2D", "ResnetDownsampleBlock2D", "SkipDownBlock2D", "AttnSkipDownBlock2D"]
UpBlock = Literal["AttnUpBlock2D", "UpBlock2D", "ResnetUpsampleBlock2D", "SkipUpBlock2D", "AttnSkipUpBlock2D"]


@final
class DiffusersUNet(Denoiser):
    """`UNet2DModel` of diffusers; the fields are its constructor's arguments of the same names.

    The level becomes their timestep by `1000 (20 - level) / 40`: linear in log-SNR, 0 for data and 1000 for noise. Class labels are rows of
    its class embedding, with one more row for "no class".
    """

    block_out_channels: tuple[Channels, ...] = Field(
        (64, 128, 128), min_length=1, max_length=8, description="channels of each level; each level halves the resolution"
    )
    down_block_types: tuple[DownBlock, ...] = Field(
        ("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"), description="kind of block of each level on the way down"
    )
    up_block_types: tuple[UpBlock, ...] = Field(
        ("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"), description="kind of block of each level on the way up, the coarsest first"
    )
    layers_per_block: int = Field(2, ge=1, le=16, description="residual blocks per level on the way down; one more on the way up")
    attention_head_dim: int = Field(8, ge=1, le=1024, description="channels of an attention head")
    norm_num_groups: int = Field(32, ge=1, le=512, description="groups of each group norm")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="fraction of features dropped in every residual block")
    resnet_time_scale_shift: Literal["default", "scale_shift"] = Field(
        "default", description="how the level enters a block: added, or as scale and shift"
    )
    downsample_type: Literal["conv", "resnet"] = Field("conv", description="how the resolution is halved")
    upsample_type: Literal["conv", "resnet"] = Field("conv", description="how the resolution is doubled")
    add_attention: bool = Field(True, description="use attention in the middle")

    @model_validator(mode="after")
    def _blocks_fit(self) -> DiffusersUNet:
        levels = len(self.block_out_channels)
        for name in ("down_block_types", "up_block_types"):
            if len(getattr(self, name)) != levels:
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} entries, and block_out_channels {levels}: each level needs one"
                )
        for name in ("norm_num_groups", "attention_head_dim"):
            uneven = [channels for channels in self.block_out_channels if channels % getattr(self, name)]
            if uneven:
                raise ValueError(
                    f"{name} ({getattr(self, name)}) must divide every entry of block_out_channels, but does not divide {uneven[0]}"
                )
        return self

    def check(self, spec: SampleSpec) -> None:
        """Raise CombinationError if the sides cannot be halved often enough, or the weights exceed any memory."""
        factor = 2 ** (len(self.block_out_channels) - 1)
        if spec.height % factor or spec.width % factor:
            raise CombinationError(
                "denoiser.block_out_channels",
                f"{len(self.block_out_channels)} levels need sides that are multiples of {factor}, but the images are "
                f"{spec.height} x {spec.width}. Use fewer levels or another dataset.image_size.",
            )
        # Two 3 x 3 convolutions in each residual block, down and up; those on the way up are larger.
        parameters = sum((2 * self.layers_per_block + 1) * 18 * channels**2 for channels in self.block_out_channels)
        if parameters > MOST_PARAMETERS:
            raise CombinationError(
                "denoiser.block_out_channels",
                f"the network would have more than {parameters / 1e9:,.0f} billion parameters, and {MOST_PARAMETERS / 1e9:.0f} billion "
                "is the limit: make it narrower or shallower",
            )

    def build(self, spec: SampleSpec) -> nn.Module:
        """Return a network for samples of `spec`. Raises CombinationError as `check`."""
        from wb_diffusers.unet_network import UNet2DNetwork

        self.check(spec)
        return UNet2DNetwork(self, spec)
