"""Watching for losses and gradients that are not finite, without waiting for a GPU at every step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class NonFiniteStep:
    """The first step, counted from 0, whose loss or gradient was not finite."""

    step: int
    example: int | None  # whose loss it was; None: the losses were finite and the gradient was not


class NonFiniteWatch:
    """Keeps an optimizer from taking a step that would spoil the weights, and tells which one that was.

    The verdict stays on the device: fused optimizers skip a step whose `found_inf` is 1, and all after it. So the host may ask later,
    and the weights are still those before the trouble. On a CPU it asks at once.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self.immediate = device.type == "cpu"
        self._spoilt = torch.zeros((), device=device)
        self._seen: list[tuple[int, Tensor, Tensor]] = []
        optimizer.found_inf = self._spoilt  # type: ignore[attr-defined]

    def see(self, step: int, losses: Tensor, norm: Tensor) -> None:
        """Judge a step by its losses [b] and the norm of its gradient, before the optimizer takes it."""
        finite = torch.isfinite(losses.detach().sum() + norm.detach().to(losses.device))
        self._spoilt.copy_(torch.maximum(self._spoilt, (~finite).float()))
        self._seen.append((step, losses.detach(), norm.detach()))

    def trouble(self) -> NonFiniteStep | None:
        """What was not finite since the last call, if anything; waits for the device."""
        seen, self._seen = self._seen, []
        if not float(self._spoilt):
            return None
        for step, losses, norm in seen:
            good = torch.isfinite(losses)
            if not bool(good.all()):
                return NonFiniteStep(step, int((~good).float().argmax()))
            # A finite loss may have an infinite gradient, which would spoil the weights all the same.
            if not bool(torch.isfinite(norm)):
                return NonFiniteStep(step, None)
        step, _, _ = seen[0]
        return NonFiniteStep(step, None)  # the sum of finite losses was not
