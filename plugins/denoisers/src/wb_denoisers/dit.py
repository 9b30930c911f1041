"""The Diffusion Transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, final

from pydantic import Field, model_validator

from wb_denoisers.size import check_size
from workbench.interfaces import CombinationError, Denoiser, SampleSpec

if TYPE_CHECKING:
    from torch import nn


@final
class DiT(Denoiser):
    """A transformer whose tokens are square patches of the image; level and class scale, shift and gate every block (adaLN-Zero).

    Peebles & Xie 2023 (arXiv:2212.09748). Their sizes, with patch 2, 4 or 8 in the name (DiT-S/2):

    - S: depth 12, width 384, heads 6 (33 million parameters)
    - B: depth 12, width 768, heads 12 (130 million)
    - L: depth 24, width 1024, heads 16 (458 million)
    - XL: depth 28, width 1152, heads 16 (675 million)

    Halving `patch` takes about four times the computation and hardly any more parameters. The paper trains with a constant learning rate of
    1e-4, on latents of 32 x 32 x 4; its networks also predict a variance, which these do not.
    """

    replayable: ClassVar[bool] = True

    patch: int = Field(4, ge=1, le=64, description="side of the patches in pixels")
    width: int = Field(192, ge=8, le=8192, multiple_of=4, description="features of every token")
    depth: int = Field(6, ge=1, le=256, description="transformer blocks")
    heads: int = Field(3, ge=1, le=128, description="attention heads; the paper gives each 64 to 72 features")
    mlp_ratio: float = Field(4.0, ge=0.25, le=16.0, description="hidden features of each block's MLP, as a multiple of width")

    @model_validator(mode="after")
    def _heads_divide(self) -> DiT:
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")
        return self

    def check(self, spec: SampleSpec) -> None:
        """Raise CombinationError if the patches do not tile the images, or the weights exceed any memory."""
        if spec.height % self.patch or spec.width % self.patch:
            raise CombinationError(
                "denoiser.patch",
                f"patches of {self.patch} need sides that are multiples of {self.patch}, but the images are {spec.height} x {spec.width}. "
                "Use another patch or another dataset.image_size.",
            )
        # Each block: attention 4, modulation 6 and the MLP 2 x mlp_ratio times width squared; and an embedding of every token.
        tokens = (spec.height // self.patch) * (spec.width // self.patch)
        check_size("denoiser.width", int(self.depth * (10 + 2 * self.mlp_ratio) * self.width**2) + tokens * self.width)

    def build(self, spec: SampleSpec) -> nn.Module:
        """Return a network for samples of `spec`, with its height and width. Raises CombinationError as `check`."""
        from wb_denoisers.dit_network import DiTNetwork

        self.check(spec)
        return DiTNetwork(self, spec)
