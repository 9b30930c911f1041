"""Time grids: the times that a sample visits, as data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench.interfaces import NoiseSchedule

LONGEST = 100_000  # times of a grid with restarts


@dataclass(frozen=True)
class TimeGrid:
    """Times in [0, 1] in the order of the grid. The sampler makes the moves down, the schedule's forward kernel the moves up."""

    times: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.times) < 2:
            raise ValueError(f"a time grid needs at least two times, got {list(self.times)}")
        if not all(0.0 <= t <= 1.0 for t in self.times):
            raise ValueError(f"times must be in [0, 1], got {next(t for t in self.times if not 0.0 <= t <= 1.0):g}")
        if any(t == s for t, s in itertools.pairwise(self.times)):
            raise ValueError("a time grid must change its time in every move: two times in a row are equal")

    @classmethod
    def of(cls, times: Sequence[float]) -> TimeGrid:
        """A grid of explicit times."""
        return cls(tuple(float(t) for t in times))

    @classmethod
    def uniform(cls, steps: int) -> TimeGrid:
        """Equal steps in t from 1 to 0: every time of the table if steps = T."""
        return cls(tuple((steps - i) / _positive(steps) for i in range(steps + 1)))

    @classmethod
    def quadratic(cls, steps: int) -> TimeGrid:
        """t = (i / N)^2: finer near the data (Song, Meng & Ermon 2021, appendix D.2)."""
        return cls(tuple(((steps - i) / _positive(steps)) ** 2 for i in range(steps + 1)))

    @classmethod
    def trailing(cls, steps: int, grid: int = 1000) -> TimeGrid:
        """Equal steps rounded to the trained times i / T, from T down (Lin et al. 2023, arXiv:2305.08891, table 2).

        Starts at t = 1 whether or not T is a multiple of `steps`. ValueError if the grid has fewer times than `steps`.
        """
        if _positive(steps) > grid:
            raise ValueError(f"trailing: {steps} steps do not fit on a grid of {grid} times")
        return cls(tuple(round((steps - i) * grid / steps) / grid for i in range(steps + 1)))

    @classmethod
    def karras(
        cls, steps: int, schedule: NoiseSchedule, rho: float = 7.0, sigma_min: float | None = None, sigma_max: float | None = None
    ) -> TimeGrid:
        """Equal steps in (sigma/alpha)^(1/rho), then to 0 (Karras et al. 2022, arXiv:2206.00364, equation 5).

        From `sigma_max`, by default the paper's 80 or the schedule's largest if that is less, to `sigma_min`, by default the paper's 0.002 or
        the smallest of a table. The first time is always 1, where the samples start.
        """
        low, high = sigma_range(schedule, sigma_min, sigma_max)
        roots = _spread(high ** (1.0 / rho), low ** (1.0 / rho), _positive(steps))
        return cls.at_sigmas([root**rho for root in roots], schedule)

    @classmethod
    def logsnr(
        cls, steps: int, schedule: NoiseSchedule, sigma_min: float | None = None, sigma_max: float | None = None
    ) -> TimeGrid:
        """Equal steps in log-SNR, then to 0 (Lu et al. 2022, arXiv:2206.00927, section 3.3); the same ends as `karras`."""
        low, high = sigma_range(schedule, sigma_min, sigma_max)
        return cls.at_sigmas(
            [math.exp(log_sigma) for log_sigma in _spread(math.log(high), math.log(low), _positive(steps))], schedule
        )

    @classmethod
    def at_sigmas(cls, sigmas: Sequence[float], schedule: NoiseSchedule) -> TimeGrid:
        """From t = 1 through the times at which sigma/alpha has these values, without the first value, to the data."""
        return cls((1.0, *_times_at(schedule, sigmas[1:]), 0.0))

    def churned(self, schedule: NoiseSchedule, amount: float, low: float = 0.0, high: float = math.inf) -> TimeGrid:
        """Before each move with sigma/alpha in [low, high], a move up to sigma (1 + gamma): gamma = min(amount / N, sqrt(2) - 1).

        Karras et al. 2022, algorithm 2, whose S_churn is `amount`; S_noise is 1. No time is above 1.
        """
        gamma = min(amount / max(self.moves_down, 1), math.sqrt(2.0) - 1.0)
        sigmas = dict(zip(self.times, _sigmas_at(schedule, self.times), strict=True))
        noisy = [t for t, sigma in sigmas.items() if 0.0 < t < 1.0 and sigma > 0.0 and low <= sigma <= high]
        ups = dict(zip(noisy, _times_at(schedule, [sigmas[t] * (1.0 + gamma) for t in noisy]), strict=True))
        times: list[float] = []
        for t in self.times:
            times += [t, ups[t]] if ups.get(t, 0.0) > t else [t]
        return TimeGrid(tuple(times))

    def restarted(self, schedule: NoiseSchedule, times: int, low: float, high: float) -> TimeGrid:
        """At the first time with sigma/alpha <= `low`, move up to `high` and down the same times again, `times` times.

        Xu et al. 2023 (arXiv:2306.14878), algorithm 1: long moves up contract the errors of the moves down. ValueError if the grid has no
        time between.
        """
        sigmas = _sigmas_at(schedule, self.times)
        bottom = next((k for k, sigma in enumerate(sigmas) if sigma <= low), len(self.times) - 1)
        again = [t for t, sigma in zip(self.times[: bottom + 1], sigmas, strict=False) if sigma < high]
        top = time_at(schedule, high)
        if bottom == len(self.times) - 1:
            raise ValueError(
                f"a restart from sigma = {low:g} needs a step there: "
                f"the last step of the grid before the data is at sigma = {self._least(schedule):.3g}"
            )
        if top <= self.times[bottom]:
            raise ValueError(f"a restart must go up: sigma = {high:g} is not above {low:g} on this grid")
        if (count := len(self.times) + times * (1 + len(again))) > LONGEST:
            raise ValueError(
                f"{times} restarts would make a grid of {count:,} times, and {LONGEST:,} is the limit: use fewer restarts"
            )
        return TimeGrid((*self.times[: bottom + 1], *((top, *again) * times), *self.times[bottom + 1 :]))

    def _least(self, schedule: NoiseSchedule) -> float:
        return sigma_at(schedule, self.times[-2])

    def moves(self) -> Iterator[tuple[float, float]]:
        """The moves (t, s) in order."""
        return itertools.pairwise(self.times)

    @property
    def moves_down(self) -> int:
        """The number of moves that a sampler makes."""
        return sum(s < t for t, s in self.moves())


def sigma_at(schedule: NoiseSchedule, t: float) -> float:
    """sigma / alpha at time t, infinite if alpha = 0."""
    alpha, sigma = schedule.at(t)
    return sigma / alpha if alpha > 0.0 else math.inf


def time_at(schedule: NoiseSchedule, sigma: float) -> float:
    """The time at which sigma / alpha has a value; 1 if it never gets as large."""
    return _times_at(schedule, [sigma])[0]


def _sigmas_at(schedule: NoiseSchedule, times: Sequence[float]) -> list[float]:
    """`sigma_at` of all times in one call: thousands of calls take seconds."""
    import torch

    alpha, sigma = schedule.alpha_sigma(torch.tensor(times, dtype=torch.float64))
    return [s / a if a > 0.0 else math.inf for a, s in zip(alpha.tolist(), sigma.tolist(), strict=True)]


def _times_at(schedule: NoiseSchedule, sigmas: Sequence[float]) -> list[float]:
    """`time_at` of all values in one call."""
    import torch

    if not sigmas:
        return []
    logsnr = torch.tensor([-2.0 * math.log(sigma) for sigma in sigmas], dtype=torch.float64)
    times: list[float] = schedule.time(logsnr).tolist()
    return times


def sigma_range(schedule: NoiseSchedule, sigma_min: float | None, sigma_max: float | None) -> tuple[float, float]:
    """The smallest and largest sigma / alpha of a grid before its last step. ValueError if they are out of order."""
    grid = schedule.grid()
    low = max(0.002, 0.0 if grid is None else sigma_at(schedule, 1.0 / grid)) if sigma_min is None else sigma_min
    largest = sigma_at(schedule, 1.0)
    high = min(80.0, largest) if sigma_max is None else sigma_max
    if high > largest * (1.0 + 1e-9):
        raise ValueError(f"sigma_max ({high:g}) is above the schedule's own {largest:.6g}")
    if not 0.0 < low < high:
        raise ValueError(f"sigma_min ({low:g}) must be above 0 and below sigma_max ({high:g})")
    return low, high


def _spread(first: float, last: float, count: int) -> list[float]:
    """`count` equally spaced values, both ends included."""
    return [first + (last - first) * i / max(count - 1, 1) for i in range(count)]


def _positive(steps: int) -> int:
    if steps < 1:
        raise ValueError(f"a time grid needs at least one step, got {steps}")
    return steps
