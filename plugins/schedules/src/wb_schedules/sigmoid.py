"""A schedule whose alpha_bar is a sigmoid."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from pydantic import Field, model_validator

from workbench.interfaces import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor


@final
class Sigmoid(NoiseSchedule):
    """alpha_bar(t) falls along a section of the logistic curve from 1 to 0; time is continuous.

    Jabri, Fleet & Chen 2022 (arXiv:2212.11972), algorithm 3; Chen 2023 (arXiv:2301.10972), section 2.1. Nothing of the image is left at
    t = 1, so train it with v, x0, flow or edm. Their clipping at 1e-9 is omitted, because alpha must decrease strictly.
    """

    start: float = Field(-3.0, ge=-40.0, le=40.0, description="the point of the logistic curve at t = 0")
    end: float = Field(3.0, ge=-40.0, le=40.0, description="the point of the logistic curve at t = 1")
    temperature: float = Field(
        1.0, gt=0.01, le=100.0, description="tau: with smaller values, images stay nearly clean, and nearly noise, for longer"
    )

    @model_validator(mode="after")
    def _rising(self) -> Sigmoid:
        if self.end <= self.start:
            raise ValueError(f"end ({self.end:g}) must be above start ({self.start:g})")
        if (self.end - self.start) / self.temperature > 60.0:
            raise ValueError(
                "(end - start) / temperature is above 60, where the curve is constant to machine precision: raise temperature"
            )
        return self

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [*b] at `t` [*b]."""
        low, high = self.start / self.temperature, self.end / self.temperature
        at = low + t.double() * (high - low)
        whole = _rise(low, high)
        # Differences of logistic functions as products, which are precise at both ends.
        alpha, sigma = (_rise(at, high) / whole).sqrt(), (_rise(low, at) / whole).sqrt()
        return alpha.to(t.dtype), sigma.to(t.dtype)

    def time(self, logsnr: Tensor) -> Tensor:
        """The times [*b] at which log-SNR is `logsnr` [*b]."""
        import torch

        low, high = self.start / self.temperature, self.end / self.temperature
        lowest, whole = torch.sigmoid(torch.tensor(low, dtype=torch.float64)), _rise(low, high)
        risen = lowest + torch.sigmoid(-logsnr.double()) * whole
        return ((torch.logit(risen) - low) / (high - low)).clamp(0.0, 1.0).to(logsnr.dtype)


def _rise(a: Tensor | float, b: Tensor | float) -> Tensor:
    """sigmoid(b) - sigmoid(a) = sinh((b - a) / 2) / (2 cosh(a / 2) cosh(b / 2))."""
    import torch

    a, b = (torch.as_tensor(value, dtype=torch.float64) for value in (a, b))
    return torch.sinh(0.5 * (b - a)) / (2.0 * torch.cosh(0.5 * a) * torch.cosh(0.5 * b))
