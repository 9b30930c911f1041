"""The regression target of the network, F* = a x0 + b eps, and the formula that recovers the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from workbench.errors import CombinationError
from workbench.interfaces import NoiseSchedule

Coefficient = TypeVar("Coefficient", float, Tensor)

SIGMA_DATA = 0.5  # standard deviation of image data in [-1, 1] (Karras et al. 2022, table 1)


def _r(alpha: Coefficient, sigma: Coefficient) -> Coefficient:
    """Standard deviation of x_t for data of standard deviation SIGMA_DATA."""
    return (alpha**2 * SIGMA_DATA**2 + sigma**2) ** 0.5


@dataclass(frozen=True)
class Parameterization:
    """A pair of coefficient functions (a, b) of (alpha, sigma).

    x0: Ho et al. 2020. eps: Ho et al. 2020, equation 11. v: Salimans & Ho 2022 (arXiv:2202.00512), appendix D. flow: Lipman et al.
    2023 (arXiv:2210.02747), the velocity eps - x0. edm: Karras et al. 2022 (arXiv:2206.00364), equation 7 and table 1, for any alpha.
    """

    name: str
    pair: Callable[[Tensor, Tensor], tuple[Tensor | float, Tensor | float]]
    scales_input: bool = False

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """F* [b, ...] for data and noise [b, ...]; coefficients broadcast against them."""
        a, b = self.pair(alpha, sigma)
        return a * x0 + b * eps

    def x0(self, x: Tensor, prediction: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The data [b, ...] for x_t = `x`, given the network's output."""
        a, b = self.pair(alpha, sigma)
        return (b * x - sigma * prediction) / (alpha * b - sigma * a)

    def input_scale(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The factor on x_t before the network (Karras' c_in)."""
        return 1.0 / _r(alpha, sigma) if self.scales_input else alpha * 0.0 + 1.0

    def loss_weight(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """|a - b alpha / sigma|^-2: turns a weight on the x0 error into one on the error of F."""
        a, b = self.pair(alpha, sigma)
        return (a - b * alpha / sigma) ** -2

    def determines_data(self, alpha: float, sigma: float) -> bool:
        """True if F and x_t determine x0; not so for eps if alpha = 0."""
        import torch

        a, b = self.pair(torch.tensor(alpha, dtype=torch.float64), torch.tensor(sigma, dtype=torch.float64))
        return abs(float(alpha * b - sigma * a)) > 1e-12


PARAMETERIZATIONS: dict[str, Parameterization] = {
    parameterization.name: parameterization
    for parameterization in (
        Parameterization("x0", lambda alpha, sigma: (1.0, 0.0)),
        Parameterization("eps", lambda alpha, sigma: (0.0, 1.0)),
        Parameterization("v", lambda alpha, sigma: (-sigma, alpha)),
        Parameterization("flow", lambda alpha, sigma: (-1.0, 1.0)),
        Parameterization(
            "edm",
            lambda alpha, sigma: (sigma / (SIGMA_DATA * _r(alpha, sigma)), -alpha * SIGMA_DATA / _r(alpha, sigma)),
            scales_input=True,
        ),
    )
}


def check_combination(parameterization: Parameterization, schedule: NoiseSchedule, schedule_name: str) -> None:
    """Raise CombinationError if the network's output does not determine the data at t = 1."""
    if parameterization.determines_data(*schedule.at(1.0)):
        return
    possible = [name for name, other in PARAMETERIZATIONS.items() if other.determines_data(*schedule.at(1.0))]
    raise CombinationError(
        "parameterization",
        f"'{parameterization.name}' cannot be used with '{schedule_name}': at t = 1 nothing of the image is left (alpha = 0), "
        f"so {parameterization.name} does not determine it. Use {', '.join(map(repr, possible[:-1]))} or {possible[-1]!r}.",
    )
