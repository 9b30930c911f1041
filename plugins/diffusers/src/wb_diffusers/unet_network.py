"""The network of `diffusers_unet`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from workbench.interfaces import SampleSpec

if TYPE_CHECKING:
    from wb_diffusers.unet import DiffusersUNet


class UNet2DNetwork(nn.Module):
    """F(x [b, c, h, w], level [b], cond) -> [b, c, h, w]."""

    def __init__(self, settings: DiffusersUNet, spec: SampleSpec) -> None:
        from diffusers import UNet2DModel

        super().__init__()
        self.classes = len(spec.classes)
        self.inner = UNet2DModel(
            sample_size=(spec.height, spec.width),
            in_channels=spec.channels,
            out_channels=spec.channels,
            num_class_embeds=self.classes + 1 if self.classes else None,  # the last row is "no class"
            **settings.model_dump(),
        )
        if not self.classes:
            self.register_load_state_dict_pre_hook(_fold_no_class)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor, level: Tensor, cond: Tensor | None = None) -> Tensor:
        """The prediction of F."""
        labels = None
        if self.classes:
            none = torch.full((len(x),), -1, device=x.device)
            cond = none if cond is None else cond
            labels = torch.where(cond < 0, self.classes, cond)
        out: Tensor = self.inner(x, timestep_of(level), class_labels=labels, return_dict=False)[0]
        return out


def _fold_no_class(network: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Read weights of earlier versions, in which networks without labels had a class embedding: add its last row, "no class", to the bias."""
    rows, bias = state.pop(f"{prefix}inner.class_embedding.weight", None), f"{prefix}inner.time_embedding.linear_2.bias"
    if rows is not None and bias in state:
        state[bias] = state[bias] + rows[-1]


def timestep_of(level: Tensor) -> Tensor:
    """Their real timestep [b] in [0, 1000] for log-SNR [b] in [-20, 20]: equally fine for data and noise, and the same on every schedule."""
    return 25.0 * (20.0 - level)
