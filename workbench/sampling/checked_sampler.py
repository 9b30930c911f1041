"""Check what a third-party sampler returns before it is used, so that an error names its author."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, final

import torch
from pydantic import SkipValidation
from torch import Tensor

from workbench.compute import is_out_of_memory
from workbench.errors import SamplingError, WorkbenchError
from workbench.interfaces import NoiseSource, PosteriorMean, Sampler
from workbench.model import describe_value, place_of_error

States = Iterator[tuple[float, Tensor]]


@final
class CheckedSampler(Sampler[Any]):
    """A sampler whose moves are checked: the result keeps shape and dtype. The check does not synchronise a GPU."""

    inner: SkipValidation[Sampler[Any]]
    name: str

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: Any, noise: NoiseSource
    ) -> tuple[Tensor, Any]:
        """The inner sampler's move of `x` [b, ...]; SamplingError where it fails or returns something else."""
        try:
            moved = self.inner.step(posterior, x, t, s, state=state, noise=noise)
        except WorkbenchError:
            raise
        except Exception as error:  # third-party code may raise anything
            if is_out_of_memory(error):
                raise
            raise SamplingError(
                f"sampler '{self.name}': moving from t = {t:g} to {s:g} raised {type(error).__name__}: {error} ({place_of_error(error)}; "
                f"wb plugins check {self.name})"
            ) from error
        if not (isinstance(moved, tuple) and len(moved) == 2 and isinstance(moved[0], Tensor)):
            raise SamplingError(
                f"sampler '{self.name}': a step returns the new sample and the state, as a pair; it returned {type(moved).__name__}"
            )
        if moved[0].shape != x.shape or moved[0].dtype != x.dtype:
            raise SamplingError(
                f"sampler '{self.name}': moving from t = {t:g} to {s:g} turned {describe_value(x)} into {describe_value(moved[0])}; "
                f"shape and dtype must stay (wb plugins check {self.name})"
            )
        return moved

    def convergence_order(self) -> int | None:
        """The inner sampler's."""
        return self.inner.convergence_order()


class WatchedPosterior:
    """A posterior mean that records where it first returned nan or infinity for a finite input."""

    def __init__(self, inner: PosteriorMean) -> None:
        self.inner = inner
        self.schedule = inner.schedule
        self.broken_at: float | None = None

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """D(x, t), checked."""
        x0 = self.inner(x, t)
        if self.broken_at is None and _is_finite(x) and not _is_finite(x0):
            self.broken_at = t
        return x0


def check_finite(images: Tensor, sampler: str, posterior: PosteriorMean, walk: Callable[[PosteriorMean], States]) -> None:
    """Raise SamplingError where images hold nan or infinity, naming the network or the sampler as its origin.

    Finite images cost one synchronisation. For others, `walk` repeats the sampling with the same noise, and every state is checked.
    """
    if _is_finite(images):
        return
    watched = WatchedPosterior(posterior)
    for t, x in walk(watched):
        if watched.broken_at is not None:
            raise SamplingError(
                f"the network's prediction at t = {watched.broken_at:g} is not finite, so '{sampler}' cannot draw images with it: "
                f"train with a lower train.learning_rate, or draw from an earlier checkpoint"
            )
        if not _is_finite(x):
            raise SamplingError(
                f"sampler '{sampler}': its step down to t = {t:g} gave nan or infinity although the network's prediction was finite "
                f"(wb plugins check {sampler})"
            )
    raise SamplingError(
        f"sampler '{sampler}' gave nan or infinity, and finite images when repeated: it uses noise that it was not given"
    )


def _is_finite(x: Tensor) -> bool:
    return bool(torch.isfinite(x).all())
