"""The denoiser: a network for a given sample shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from workbench.interfaces.component import Component
from workbench.interfaces.dataset import SampleSpec

if TYPE_CHECKING:
    from torch import nn


class Denoiser(Component, ABC):
    """Builds a network F(x, level, cond), independent of schedule, sampler and parameterization.

    Laws for the module that `build` returns:

    - `module(x [b, c, h, w], level [b], cond) -> [b, c, h, w]` in the dtype of its parameters or of autocast.
    - `level` is log-SNR, clamped to [-20, 20]: about 8 for an image that is barely noisy, -10 for noise. It has the same meaning
      on every schedule, so any network works with any schedule.
    - `cond` is None (no condition) or an int64 tensor [b] of class labels, -1 = no condition for that image.
    - Images of a batch do not influence each other.

    A class may set `replayable: ClassVar[bool] = True` if every pass of its network runs the same operations, whatever the values of its
    tensors: no branch on a value, no synchronisation, no counter or random number in Python. A GPU then replays a CUDA graph of it, which is
    many times faster for a small network.
    """

    replayable: ClassVar[bool] = False

    def check(self, spec: SampleSpec) -> None:
        """Raise CombinationError if no network can be built for `spec`; fast, because it is called when a recipe is validated."""

    def warnings(self, spec: SampleSpec) -> Sequence[str]:
        """Return sentences about settings that work for `spec` but are rarely intended; `wb validate` and `wb run` show them. Fast, as `check`."""
        return ()

    @abstractmethod
    def build(self, spec: SampleSpec) -> nn.Module:
        """Return a newly initialised network for samples of `spec`. Raises CombinationError if the shape does not fit.

        `spec.classes` is empty for a network that is trained without labels: it needs no label embedding.
        """
