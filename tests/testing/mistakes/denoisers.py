"""Denoisers with one classic mistake each, and the correct network."""

from __future__ import annotations

import torch
from torch import nn

from workbench.interfaces import Denoiser


class Net(nn.Module):
    """The correct version: a convolution scaled by a sine of the level, and a row for each label."""

    def __init__(self, spec):
        super().__init__()
        self.conv, self.wave = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(1, 3)
        self.labels = nn.Embedding(len(spec.classes) + 1, 3) if spec.classes else None

    def forward(self, x, level, cond=None):
        h = self.conv(x) * (1.0 + torch.sin(self.wave(level[:, None])))[:, :, None, None]
        return h + self.label_term(cond, len(x))

    def label_term(self, cond, images):
        """The term of the label; the first row is for no label."""
        if self.labels is None:
            return 0.0
        return self.labels(torch.zeros(images, dtype=torch.long) if cond is None else cond + 1)[:, :, None, None]


class Sound(Denoiser):
    """Has no mistake."""

    def build(self, spec):
        return Net(spec)


class HalvesTheImage(Denoiser):
    """Omits the last upsampling."""

    def build(self, spec):
        class Halving(Net):
            def forward(self, x, level, cond=None):
                return super().forward(x, level, cond)[..., ::2]

        return Halving(spec)


class LogarithmOfTheLevel(Denoiser):
    """Mistakes the level for sigma, and embeds its logarithm as EDM does; levels below 0 have none."""

    def build(self, spec):
        class Logarithm(Net):
            def forward(self, x, level, cond=None):
                return super().forward(x, level.log() / 4.0, cond)

        return Logarithm(spec)


class IgnoresTheLevel(Denoiser):
    """Embeds the level and does not use it."""

    def build(self, spec):
        class Ignoring(Net):
            def forward(self, x, level, cond=None):
                return super().forward(x, torch.zeros_like(level), cond)

        return Ignoring(spec)


class BatchNorm(Denoiser):
    """Normalises over the batch."""

    def build(self, spec):
        class Normalised(Net):
            def __init__(self, spec):
                super().__init__(spec)
                self.norm = nn.BatchNorm2d(3)

            def forward(self, x, level, cond=None):
                return self.norm(super().forward(x, level, cond))

        return Normalised(spec)


class AttentionOverTheBatch(Denoiser):
    """Mistakes the batch for the sequence: images attend to each other."""

    def build(self, spec):
        class Attending(Net):
            def forward(self, x, level, cond=None):
                h = super().forward(x, level, cond)
                rows = h.flatten(1)
                return h + ((rows @ rows.T / rows.shape[1] ** 0.5).softmax(1) @ rows).reshape(h.shape)

        return Attending(spec)


class BlockLeftOut(Denoiser):
    """Creates a block that it never runs."""

    def build(self, spec):
        network = Net(spec)
        network.idle = nn.Linear(2, 2)
        return network


class IgnoresLabels(Denoiser):
    """Ignores the label."""

    def build(self, spec):
        class Ignoring(Net):
            def label_term(self, cond, images):
                return 0.0 if self.labels is None else self.labels(torch.zeros(images, dtype=torch.long))[:, :, None, None]

        return Ignoring(spec)


class NoLabelIsTheLastOne(Denoiser):
    """Indexes its rows by the label itself, so that -1 is the last class."""

    def build(self, spec):
        class Last(Net):
            def label_term(self, cond, images):
                if self.labels is None:
                    return 0.0
                none = torch.full((images,), len(spec.classes))
                return self.labels(none if cond is None else cond % len(spec.classes))[:, :, None, None]

        return Last(spec)


class FrequenciesOutsideTheState(Denoiser):
    """Draws random Fourier frequencies and stores them as an attribute instead of a buffer."""

    def build(self, spec):
        class Fourier(Net):
            def __init__(self, spec):
                super().__init__(spec)
                self.frequency = torch.randn(())

            def forward(self, x, level, cond=None):
                return super().forward(x, torch.cos(self.frequency * level), cond)

        return Fourier(spec)


class UndescribedField(Denoiser):
    """Has a field without a description."""

    k: int = 3

    def build(self, spec):
        return Net(spec)


CAUGHT_BY: dict[type[Denoiser], str] = {
    HalvesTheImage: "shape",
    LogarithmOfTheLevel: "shape",
    IgnoresTheLevel: "level_matters",
    BatchNorm: "batch_independence",
    AttentionOverTheBatch: "batch_independence",
    BlockLeftOut: "gradients",
    IgnoresLabels: "null_condition",
    NoLabelIsTheLastOne: "null_condition",
    FrequenciesOutsideTheState: "state_dict",
    UndescribedField: "recipe_round_trip",
}
