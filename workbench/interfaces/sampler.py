"""The sampler: the rule for one step towards the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from workbench.interfaces.component import Component
from workbench.interfaces.schedule import NoiseSchedule
from workbench.random import NoiseSource

if TYPE_CHECKING:
    from torch import Tensor

State = TypeVar("State")


class PosteriorMean(Protocol):
    """`D(x, t) = E[x0 | x_t = x]`, on its schedule. Networks, wrappers and closed forms all have this interface."""

    @property
    def schedule(self) -> NoiseSchedule:
        """The schedule that defines `x_t`."""
        ...

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """Return the posterior mean [b, ...] of the data given `x` [b, ...] at time `t` in (0, 1]."""
        ...


class Sampler(Component, ABC, Generic[State]):
    """The rule for one move t -> s with s < t, independent of network and schedule.

    The core loop walks a grid of times, calls `step` for each move down, and passes the returned state to the next call; the
    first call, and the first after a move up, get None. Laws:

    - Nothing is stored on self, `x` is not changed in place, and randomness comes from `noise` alone.
    - At s = 0 (sigma = 0) the result is data: no noise is added.
    - The result keeps the dtype and device of `x`.
    """

    @abstractmethod
    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: State | None, noise: NoiseSource
    ) -> tuple[Tensor, State | None]:
        """Move `x` [b, ...] from time t down to time s, 0 <= s < t <= 1; return the new sample and the new state."""

    def convergence_order(self) -> int | None:
        """Return the power of the step length with which the global error vanishes; `workbench.testing` measures it.

        None if the result is random (its moments are tested instead) or no order is claimed.
        """
        return None
