"""A small convolutional network without changes of resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, final

from pydantic import Field

from wb_denoisers.size import check_size
from workbench.interfaces import Denoiser, SampleSpec

if TYPE_CHECKING:
    from torch import nn


@final
class SmallCNN(Denoiser):
    """Residual blocks at full resolution with dilations 1, 2, 4, 8 in turn: few parameters, any image size.

    A baseline for comparison with `unet`, and fast for experiments.
    """

    replayable: ClassVar[bool] = True

    channels: int = Field(64, ge=8, le=2048, multiple_of=8, description="channels of every block")
    depth: int = Field(8, ge=1, le=64, description="residual blocks")

    def check(self, spec: SampleSpec) -> None:
        """Raise CombinationError if the weights exceed any memory."""
        check_size("denoiser.channels", self.depth * 18 * self.channels**2)

    def build(self, spec: SampleSpec) -> nn.Module:
        """Return a network for samples of `spec`, of any height and width."""
        from wb_denoisers.small_cnn_network import SmallCNNNetwork

        return SmallCNNNetwork(self, spec)
