"""Draw images with a trained network, a sampler and a time grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.compute import Compute
from workbench.diffusion import ConditionalPosteriorMean, Counted, NetworkPosterior, Objective, trajectory
from workbench.interfaces import PosteriorMean, SampleSpec
from workbench.model import Parts
from workbench.progress import NEVER, Stop
from workbench.random import Stream
from workbench.recipe import SamplerSlot, time_grid_of
from workbench.sampling.batch_size import fastest_batch_size
from workbench.sampling.checked_sampler import CheckedSampler, check_finite
from workbench.sampling.posterior import guided_posterior, limited_posterior


@dataclass(frozen=True)
class Drawn:
    """Images [b, c, h, w], float32, and the number of network evaluations that each of them took."""

    images: Tensor
    nfe: int


class Generator:
    """Draws images with one trained network; image i under a seed is the same in every batch."""

    def __init__(self, network: nn.Module, objective: Objective, spec: SampleSpec, compute: Compute) -> None:
        self._module, self._network = network.eval(), compute.for_sampling(network)
        self._objective, self._spec = objective, spec
        self.compute, self._device = compute, compute.device
        parameters = sum(parameter.numel() for parameter in network.parameters())
        self._name = f"{type(network).__name__} of {parameters} parameters"

    @classmethod
    def of(cls, parts: Parts, network: nn.Module) -> Generator:
        """A generator for a network of a run."""
        return cls(network, parts.objective, parts.spec, parts.compute)

    def batch_size(self, total: int) -> int:
        """The number of images to draw at once where the recipe does not set it, for `total` images."""
        with self.compute.frozen_weights(self._module):
            return fastest_batch_size(self._network, self._name, self._spec, self.compute, total)

    def draw(self, slot: SamplerSlot, index: range, seed: int, labels: Tensor | None = None, stop: Stop = NEVER) -> Drawn:
        """Draw the images with the global indices `index`; `labels` is int64 [b] if the network is conditional.

        Raises SamplingError, naming sampler or network, where images are not finite or a step changes their shape; Stopped after
        the current move of the sampler.
        """
        view = Counted(self._view())
        posterior = guided_posterior(view, slot, self._on_device(labels))
        with self.compute.frozen_weights(self._module):
            for _, images in self._walk(slot, posterior, index, seed, stop):  # noqa: B007 - the last state is the result
                pass
        nfe = view.nfe  # before a failed walk is repeated
        check_finite(images, slot.use, posterior, lambda watched: self._walk(slot, watched, index, seed))
        return Drawn(images, nfe)

    def states(
        self, slot: SamplerSlot, index: range, seed: int, labels: Tensor | None = None, stop: Stop = NEVER
    ) -> Iterator[tuple[float, Tensor]]:
        """The states of `draw`: (t, x_t [b, c, h, w]) at every time of the grid."""
        yield from self._walk(slot, guided_posterior(self._view(), slot, self._on_device(labels)), index, seed, stop)

    def _walk(
        self, slot: SamplerSlot, posterior: PosteriorMean, index: range, seed: int, stop: Stop = NEVER
    ) -> Iterator[tuple[float, Tensor]]:
        for state in trajectory(
            limited_posterior(posterior, slot),
            CheckedSampler(inner=slot.component, name=slot.use),
            time_grid_of(slot, self._objective.schedule),
            images=list(index),
            shape=self._spec.shape,
            seed=seed,
            device=self._device,
        ):
            stop.check()
            yield state

    def _view(self) -> ConditionalPosteriorMean:
        return NetworkPosterior(self._network, self._objective.schedule, self._objective.parameterization)

    def _on_device(self, labels: Tensor | None) -> Tensor | None:
        return None if labels is None else labels.to(self._device)


def draw_labels(labels: Tensor | None, seed: int, index: range) -> Tensor | None:
    """Labels int64 [b] drawn from the distribution of the data's `labels` [n], keyed by image index; None if there are none."""
    if labels is None:
        return None
    u = Stream(seed, "sample label").uniform(0, torch.tensor(list(index)))[:, 0]
    return labels[(u * len(labels)).long()]
