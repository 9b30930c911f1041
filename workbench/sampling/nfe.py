"""Network evaluations (NFE) that a sampler needs, counted before anything is drawn."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.diffusion import Counted, trajectory
from workbench.interfaces import NoiseSchedule
from workbench.recipe import SamplerSlot, time_grid_of
from workbench.sampling.checked_sampler import CheckedSampler
from workbench.sampling.posterior import guided_posterior, limited_posterior


class _UnitGaussian:
    """The posterior mean of data from N(0, 1), under every condition: `alpha x / (alpha^2 + sigma^2)`."""

    def __init__(self, schedule: NoiseSchedule) -> None:
        self.schedule = schedule

    def __call__(self, x: Tensor, t: float, cond: Tensor | None = None) -> Tensor:
        alpha, sigma = self.schedule.at(t)
        return x * (alpha / (alpha**2 + sigma**2))


def expected_nfe(slot: SamplerSlot, schedule: NoiseSchedule) -> int:
    """Network evaluations per image of a sampler with its time grid and guidance.

    The sampler itself draws one sample of one element from a closed form, and the calls are counted where the network would be. Guidance is
    counted as for a network with labels. Raises SamplingError where the sampler fails, CombinationError where its grid does not fit.
    """
    view = Counted(_UnitGaussian(schedule))
    posterior = limited_posterior(guided_posterior(view, slot, torch.zeros(1, dtype=torch.int64)), slot)
    sampler = CheckedSampler(inner=slot.component, name=slot.use)
    for _ in trajectory(posterior, sampler, time_grid_of(slot, schedule), images=1, shape=(1, 1, 1), seed=0):
        pass
    return view.nfe
