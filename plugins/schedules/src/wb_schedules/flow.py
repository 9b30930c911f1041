"""The straight path between data and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from workbench.interfaces import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor


@final
class Flow(NoiseSchedule):
    """x_t = (1 - t) x0 + t eps: rectified flow; nothing of the image is left at t = 1.

    Liu, Gong & Liu 2022 (arXiv:2209.03003); Lipman et al. 2023 (arXiv:2210.02747). Train it with `flow`, `v` or `x0`.
    """

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(1 - t, t) [*b]."""
        return 1.0 - t, t.clone()

    def time(self, logsnr: Tensor) -> Tensor:
        """t = 1 / (1 + exp(logsnr / 2)), [*b]."""
        import torch

        return torch.sigmoid(-0.5 * logsnr)
