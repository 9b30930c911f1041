"""Drawing images with a recipe's network, sampler and path."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from workbench.compute import Compute
from workbench.diffusion import Clamped, Conditioned, Counted, Guided, NetworkPosterior, Objective, trajectory
from workbench.interfaces import PosteriorMean, SampleSpec
from workbench.model import Parts
from workbench.progress import NEVER, Stop
from workbench.random import Stream
from workbench.recipe import SamplerSlot, time_grid_of
from workbench.sampling.batch_size import fastest_batch_size
from workbench.sampling.checked import CheckedSampler, check_finite


class Generator:
    """Draws images of one trained network; image i under a seed is the same in every batch."""

    def __init__(self, network: nn.Module, objective: Objective, spec: SampleSpec, compute: Compute) -> None:
        self._module, self._network = network.eval(), compute.for_sampling(network)
        self._objective, self._spec = objective, spec
        self.compute, self._device = compute, compute.device
        self._name = f"{type(network).__name__} of {sum(each.numel() for each in network.parameters())} parameters"
        self.evaluations = 0  # network evaluations of the last batch

    @classmethod
    def of(cls, parts: Parts, network: nn.Module) -> Generator:
        """A drawer for a network of a run."""
        return cls(network, parts.objective, parts.spec, parts.compute)

    def batch_size(self, total: int) -> int:
        """How many of `total` images to draw at once, where nobody has said it."""
        with self.compute.frozen_weights(self._module):
            return fastest_batch_size(self._network, self._name, self._spec, self.compute, total)

    def images(self, slot: SamplerSlot, index: range, seed: int, labels: Tensor | None = None, stop: Stop = NEVER) -> Tensor:
        """Images [b, c, h, w], float32, with the global indices `index`; `labels` [b] int64 if conditional.

        Raises SamplingError, naming sampler or network, where they are not finite or a step does not keep the shape; Stopped after
        the current move of the sampler.
        """
        posterior = self._posterior(slot, labels)
        counted = Counted(posterior)
        with self.compute.frozen_weights(self._module):
            for _, images in self._walk(slot, counted, index, seed, stop):  # noqa: B007 - the last ones are wanted
                pass
        self.evaluations = counted.evaluations * (2 if isinstance(posterior, Guided) else 1)
        check_finite(images, slot.use, posterior, lambda watched: self._walk(slot, watched, index, seed))
        return images

    def states(
        self, slot: SamplerSlot, index: range, seed: int, labels: Tensor | None = None, stop: Stop = NEVER
    ) -> Iterator[tuple[float, Tensor]]:
        """(t, x_t) along the way."""
        yield from self._walk(slot, self._posterior(slot, labels), index, seed, stop)

    def _walk(
        self, slot: SamplerSlot, posterior: PosteriorMean, index: range, seed: int, stop: Stop = NEVER
    ) -> Iterator[tuple[float, Tensor]]:
        for state in trajectory(
            Clamped(posterior) if slot.clamp else posterior,
            CheckedSampler(inner=slot.component, name=slot.use),
            time_grid_of(slot, self._objective.schedule),
            images=list(index),
            shape=self._spec.shape,
            seed=seed,
            device=self._device,
        ):
            stop.check()
            yield state

    def _posterior(self, slot: SamplerSlot, labels: Tensor | None) -> PosteriorMean:
        network = NetworkPosterior(self._network, self._objective.schedule, self._objective.parameterization)
        conditioned = Conditioned(network, None if labels is None else labels.to(self._device))
        return conditioned if slot.guidance == 1.0 or labels is None else Guided(conditioned, slot.guidance)


def draw_labels(labels: Tensor | None, seed: int, index: range) -> Tensor | None:
    """Labels int64 [b] drawn from the distribution of the data's `labels` [n], keyed by image index; None if there are none."""
    if labels is None:
        return None
    u = Stream(seed, "sample label").uniform(0, torch.tensor(list(index)))[:, 0]
    return labels[(u * len(labels)).long()]
