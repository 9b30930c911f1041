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
    """Builds a network F(x, level, cond). It knows neither schedules nor samplers, nor what F is trained to predict.

    Laws for the module that `build` returns:

    - `module(x [b, c, h, w], level [b], cond) -> [b, c, h, w]` in the dtype of its parameters or of autocast.
    - `level` is log-SNR, clamped to [-20, 20]: about 8 where an image is barely noisy, -10 where it is noise. It means the same
      on every schedule, which is what makes any network work with any schedule.
    - `cond` is None (no condition) or an int64 tensor [b] of class labels, -1 = no condition for that image.
    - Images of a batch do not influence one another.

    A class may say `replayable: ClassVar[bool] = True` if a pass of its network always does the same, whatever the values of its
    tensors: no branch on a value, no waiting for one, nothing that Python counts or draws. A GPU then replays a recording of it (a CUDA
    graph), many times as fast for a small network.
    """

    replayable: ClassVar[bool] = False

    def check(self, spec: SampleSpec) -> None:
        """Raise CombinationError where no network for `spec` can be built; called when a recipe is validated, so cheap."""

    def warnings(self, spec: SampleSpec) -> Sequence[str]:
        """Sentences about what works for `spec` and is rarely meant, shown by `wb validate` and `wb run`; cheap, as `check`."""
        return ()

    @abstractmethod
    def build(self, spec: SampleSpec) -> nn.Module:
        """A freshly initialised network for samples of `spec`; raises CombinationError where the shape does not fit.

        `spec.classes` is empty for a network that is not given labels: it then needs no label embedding.
        """
