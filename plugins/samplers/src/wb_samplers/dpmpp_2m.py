"""DPM-Solver++(2M) and its stochastic form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pydantic import Field

from wb_samplers.exponential import move, shrinkage
from workbench.interfaces import NoiseSource, PosteriorMean, Sampler

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Previous:
    """The posterior mean and the length of the previous move."""

    x0: Tensor
    h: float  # length in ln(alpha / sigma)


@final
class DPMpp2M(Sampler[Previous]):
    """DPM-Solver++(2M): second order with one evaluation per step, by extrapolating the posterior mean from two of its values.

    Lu et al. 2022 (arXiv:2211.01095), algorithm 2, for any Gaussian path. The first move and the one that ends at the data are first order.
    """

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: Previous | None, noise: NoiseSource
    ) -> tuple[Tensor, Previous]:
        """One move t -> s of `x` [b, ...]."""
        return _step(posterior, x, t, s, state, 0.0, noise)

    def convergence_order(self) -> int:
        """2."""
        return 2


@final
class DPMpp2MSDE(Sampler[Previous]):
    """DPM-Solver++(2M) for the reverse SDE: the noise corrects earlier errors, an advantage from about 20 steps on.

    Lu et al. 2022 (arXiv:2211.01095), section 5 and appendix D (SDE-DPM-Solver++(2M), midpoint form), for any Gaussian path.
    """

    eta: float = Field(1.0, ge=0.0, le=1.0, description="amount of noise: 1 is the reverse SDE, 0 is `dpmpp_2m`")

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: Previous | None, noise: NoiseSource
    ) -> tuple[Tensor, Previous]:
        """One move t -> s of `x` [b, ...]."""
        return _step(posterior, x, t, s, state, self.eta, noise)

    def convergence_order(self) -> int | None:
        """2 without noise."""
        return 2 if self.eta == 0.0 else None


def _step(
    posterior: PosteriorMean, x: Tensor, t: float, s: float, state: Previous | None, eta: float, noise: NoiseSource
) -> tuple[Tensor, Previous]:
    step = move(posterior.schedule, t, s)
    x0 = posterior(x, t)
    if step.sigma_s == 0.0:
        return step.alpha_s * x0, Previous(x0, step.h)

    # D at the middle of the move, extrapolated. After a move from alpha = 0, whose h is infinite, D is constant.
    middle = x0 if state is None else x0 + 0.5 * step.h / state.h * (x0 - state.x0)
    decay = shrinkage(step.h, eta)
    x_s = step.sigma_s / step.sigma_t * decay * x + step.alpha_s * (1.0 - step.shrink * decay) * middle
    if eta > 0.0:
        x_s = x_s + step.sigma_s * (1.0 - decay**2) ** 0.5 * noise.normal(x)
    return x_s, Previous(x0, step.h)
