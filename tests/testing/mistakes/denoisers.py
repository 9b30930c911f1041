"""Denoisers with a classic mistake in each, and the network they would be without it."""

from __future__ import annotations

import torch
from torch import nn

from workbench.interfaces import Denoiser


class Net(nn.Module):
    """As it should be: a convolution scaled by a wave of the level, and a row for each label."""

    def __init__(self, spec):
        super().__init__()
        self.conv, self.wave = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(1, 3)
        self.labels = nn.Embedding(len(spec.classes) + 1, 3) if spec.classes else None

    def forward(self, x, level, cond=None):
        h = self.conv(x) * (1.0 + torch.sin(self.wave(level[:, None])))[:, :, None, None]
        return h + self.told(cond, len(x))

    def told(self, cond, images):
        """What the label adds; the first row is that of no label."""
        if self.labels is None:
            return 0.0
        return self.labels(torch.zeros(images, dtype=torch.long) if cond is None else cond + 1)[:, :, None, None]


class Sound(Denoiser):
    """None."""

    def build(self, spec):
        return Net(spec)


class HalvesTheImage(Denoiser):
    """Leaves out the last upsampling."""

    def build(self, spec):
        class Halving(Net):
            def forward(self, x, level, cond=None):
                return super().forward(x, level, cond)[..., ::2]

        return Halving(spec)


class LogarithmOfTheLevel(Denoiser):
    """Takes the level for sigma, and embeds its logarithm as EDM does; levels below 0 have none."""

    def build(self, spec):
        class Logarithm(Net):
            def forward(self, x, level, cond=None):
                return super().forward(x, level.log() / 4.0, cond)

        return Logarithm(spec)


class DeafToTheLevel(Denoiser):
    """Embeds the level and adds it nowhere."""

    def build(self, spec):
        class Deaf(Net):
            def forward(self, x, level, cond=None):
                return super().forward(x, torch.zeros_like(level), cond)

        return Deaf(spec)


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
    """Takes the batch for the sequence: images attend to one another."""

    def build(self, spec):
        class Attending(Net):
            def forward(self, x, level, cond=None):
                h = super().forward(x, level, cond)
                rows = h.flatten(1)
                return h + ((rows @ rows.T / rows.shape[1] ** 0.5).softmax(1) @ rows).reshape(h.shape)

        return Attending(spec)


class BlockLeftOut(Denoiser):
    """Makes a block that it never runs."""

    def build(self, spec):
        network = Net(spec)
        network.idle = nn.Linear(2, 2)
        return network


class DeafToLabels(Denoiser):
    """Forgets the label."""

    def build(self, spec):
        class Deaf(Net):
            def told(self, cond, images):
                return 0.0 if self.labels is None else self.labels(torch.zeros(images, dtype=torch.long))[:, :, None, None]

        return Deaf(spec)


class NoLabelIsTheLastOne(Denoiser):
    """Indexes its rows by the label itself, so that -1 is the last class."""

    def build(self, spec):
        class Last(Net):
            def told(self, cond, images):
                if self.labels is None:
                    return 0.0
                none = torch.full((images,), len(spec.classes))
                return self.labels(none if cond is None else cond % len(spec.classes))[:, :, None, None]

        return Last(spec)


class FrequenciesOutsideTheState(Denoiser):
    """Draws random Fourier frequencies and keeps them as a plain attribute instead of a buffer."""

    def build(self, spec):
        class Fourier(Net):
            def __init__(self, spec):
                super().__init__(spec)
                self.frequency = torch.randn(())

            def forward(self, x, level, cond=None):
                return super().forward(x, torch.cos(self.frequency * level), cond)

        return Fourier(spec)


class FieldWithoutWords(Denoiser):
    """Has a field that nobody can know the meaning of."""

    k: int = 3

    def build(self, spec):
        return Net(spec)


CAUGHT_BY: dict[type[Denoiser], str] = {
    HalvesTheImage: "shape",
    LogarithmOfTheLevel: "shape",
    DeafToTheLevel: "level_matters",
    BatchNorm: "batch_independence",
    AttentionOverTheBatch: "batch_independence",
    BlockLeftOut: "gradients",
    DeafToLabels: "null_condition",
    NoLabelIsTheLastOne: "null_condition",
    FrequenciesOutsideTheState: "state_dict",
    FieldWithoutWords: "recipe_round_trip",
}
