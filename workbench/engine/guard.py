"""What components hand back is looked at before it is used, so that an error names its author."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any, final

import torch
from pydantic import SkipValidation
from torch import Tensor, nn

from workbench.engine.memory import ran_out
from workbench.errors import BrokenComponent, DataError, SamplingError, WorkbenchError
from workbench.interfaces import Examples, NoiseSource, PosteriorMean, Sampler, SampleSpec

__all__ = ["Guarded", "Observed", "check_examples", "check_finite", "check_network"]

States = Iterator[tuple[float, Tensor]]


@final
class Guarded(Sampler[Any]):
    """A sampler whose moves are checked: what comes out must have the shape and dtype of what went in. Costs no synchronisation."""

    inner: SkipValidation[Sampler[Any]]
    name: str

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: Any, noise: NoiseSource
    ) -> tuple[Tensor, Any]:
        """The inner sampler's move of `x` [b, ...]; SamplingError where it fails or is no move."""
        try:
            moved = self.inner.step(posterior, x, t, s, state=state, noise=noise)
        except WorkbenchError:
            raise
        except Exception as error:  # a stranger's code may raise anything
            if ran_out(error):
                raise
            raise SamplingError(
                f"sampler '{self.name}': moving from t = {t:g} to {s:g} raised {type(error).__name__}: {error} ({_place(error)}; "
                f"wb plugins check {self.name})"
            ) from error
        if not (isinstance(moved, tuple) and len(moved) == 2 and isinstance(moved[0], Tensor)):
            raise SamplingError(
                f"sampler '{self.name}': a step returns the new sample and the state, as a pair; it returned {type(moved).__name__}"
            )
        if moved[0].shape != x.shape or moved[0].dtype != x.dtype:
            raise SamplingError(
                f"sampler '{self.name}': moving from t = {t:g} to {s:g} turned {_told(x)} into {_told(moved[0])}; "
                f"shape and dtype must stay (wb plugins check {self.name})"
            )
        return moved


class Observed:
    """A posterior mean that notes where it first gave what is not finite for what was."""

    def __init__(self, inner: PosteriorMean) -> None:
        self.inner = inner
        self.schedule = inner.schedule
        self.broken_at: float | None = None

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """D(x, t), observed."""
        x0 = self.inner(x, t)
        if self.broken_at is None and _finite(x) and not _finite(x0):
            self.broken_at = t
        return x0


def check_finite(images: Tensor, sampler: str, posterior: PosteriorMean, walk: Callable[[PosteriorMean], States]) -> None:
    """Raise SamplingError where images hold nan or infinity, naming who made the first one.

    One synchronisation for good images. For others `walk` goes the same way with the same noise again, slower and with open eyes.
    """
    if _finite(images):
        return
    observed = Observed(posterior)
    for t, x in walk(observed):
        if observed.broken_at is not None:
            raise SamplingError(
                f"the network's prediction at t = {observed.broken_at:g} is not finite, so '{sampler}' cannot draw images with it: "
                f"train with a lower train.learning_rate, or draw from an earlier checkpoint"
            )
        if not _finite(x):
            raise SamplingError(
                f"sampler '{sampler}': its step down to t = {t:g} gave nan or infinity although the network's prediction was finite "
                f"(wb plugins check {sampler})"
            )
    raise SamplingError(f"sampler '{sampler}' gave nan or infinity, and another time it did not: it uses noise it was not given")


@torch.no_grad()
def check_network(network: nn.Module, spec: SampleSpec, denoiser: str) -> None:
    """Run one image; BrokenComponent where the network cannot be called as agreed or does not keep the shape."""
    x = torch.zeros(1, *spec.shape)
    training = network.training
    try:
        out = network.eval()(x, torch.zeros(1), None)
    except WorkbenchError:
        raise
    except Exception as error:  # a stranger's code may raise anything
        if ran_out(error):
            raise
        raise BrokenComponent(
            f"denoiser '{denoiser}': its network fails when called as network(x {list(x.shape)}, level [1], None): "
            f"{type(error).__name__}: {error} ({_place(error)})"
        ) from error
    finally:
        network.train(training)
    if not isinstance(out, Tensor) or out.shape != x.shape:
        raise BrokenComponent(
            f"denoiser '{denoiser}': its network turns {list(x.shape)} into {_told(out)}; the shape must stay (wb plugins check {denoiser})"
        )


def check_examples(examples: Examples, spec: SampleSpec, dataset: str) -> None:
    """Look at the first example; DataError where it is not what `describe()` promised."""
    if len(examples) == 0:
        raise DataError(f"dataset '{dataset}' has no examples ({examples.provenance.location})")
    image = examples[0].image
    if tuple(image.shape) != spec.shape or image.dtype != torch.float32:
        raise DataError(
            f"dataset '{dataset}': its first image is {_told(image)}, not float32 {list(spec.shape)} as it describes itself "
            f"(wb plugins check {dataset})"
        )
    low, high = float(image.min()), float(image.max())
    if not -1.001 <= low <= high <= 1.001:
        raise DataError(f"dataset '{dataset}': images must be in [-1, 1]; the first one is in [{low:g}, {high:g}]")


def _place(error: BaseException) -> str:
    """The line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}"


def _finite(x: Tensor) -> bool:
    return bool(torch.isfinite(x).all())


def _told(x: Any) -> str:
    return f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
