"""Find losses and gradients that are not finite without waiting for a GPU at every step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class NonFiniteStep:
    """The first step, counted from 0, whose loss or gradient was not finite."""

    step: int
    time: float  # t of the example at fault; the batch's smallest t where all losses were finite and the gradient was not


class NonFiniteWatch:
    """Keeps an optimizer from taking a step that would spoil the weights, and finds that step afterwards.

    The verdict stays on the device: fused optimizers skip a step whose `found_inf` is 1, and all steps after it. So the host may check later,
    and the weights are still those before the step at fault.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self._found = torch.zeros((), device=device)
        self._unchecked: list[tuple[int, Tensor, Tensor, Tensor]] = []
        optimizer.found_inf = self._found  # type: ignore[attr-defined]

    def add(self, step: int, times: Tensor, losses: Tensor, norm: Tensor) -> None:
        """Judge a step by its losses [b] at `times` [b] and the norm of its gradient, before the optimizer takes it."""
        finite = torch.isfinite(losses.detach().sum() + norm.detach().to(losses.device))
        self._found.copy_(torch.maximum(self._found, (~finite).float()))
        self._unchecked.append((step, times, losses.detach(), norm.detach()))

    def first(self) -> NonFiniteStep | None:
        """The first step since the last call that was not finite, if any; waits for the device."""
        unchecked, self._unchecked = self._unchecked, []
        if not float(self._found):
            return None
        for step, times, losses, norm in unchecked:
            good = torch.isfinite(losses)
            if not bool(good.all()):
                return NonFiniteStep(step, float(times[int((~good).float().argmax())]))
            # A finite loss may have an infinite gradient, which would spoil the weights all the same.
            if not bool(torch.isfinite(norm)):
                return NonFiniteStep(step, float(times.min()))
        step, times, _, _ = unchecked[0]  # every loss was finite, and their sum was not
        return NonFiniteStep(step, float(times.min()))
