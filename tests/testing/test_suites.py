"""The kit as pytest classes, a decorator and an iterator; and its checks of networks, datasets and features at work."""

from __future__ import annotations

import pytest
import torch
from kit_mistakes import GlobalGenerator, UndeclaredEvaluations
from torch import nn

from wb_samplers import DDIM
from wb_schedules import Flow
from workbench.interfaces import (
    Component,
    Dataset,
    Denoiser,
    Example,
    Examples,
    ExtractorCard,
    FeatureExtractor,
    Provenance,
    SampleSpec,
)
from workbench.testing import (
    SamplerConformance,
    ScheduleConformance,
    checks,
    examine,
    kind_of,
    parametrize_with_checks,
)


class TestDDIM(SamplerConformance):
    component = DDIM(eta=0.3)


class TestFlow(ScheduleConformance):
    component = Flow()


class TestDeclaredDeviation(SamplerConformance):
    component = UndeclaredEvaluations()
    expected_failures = {"evaluations": "asks the network twice"}  # noqa: RUF012 - as the documents show it


@parametrize_with_checks([Flow(), UndeclaredEvaluations()], {"evaluations": "asks the network twice"})
def test_components_conform(component, check):
    try:
        check.run(component)
    except Exception as error:
        if type(error).__name__ == "NotApplicable":
            pytest.skip(str(error))
        raise


def test_a_declared_deviation_is_told_with_its_reason_and_must_exist():
    outcomes = {each.check.name: each for each in examine(UndeclaredEvaluations(), {"evaluations": "asks twice", "dtypes": "so"})}
    assert (outcomes["evaluations"].state, outcomes["dtypes"].state) == ("expected", "unexpected")
    assert "asks twice" in outcomes["evaluations"].message
    assert not outcomes["dtypes"].conforms
    with pytest.raises(ValueError, match="no check is called 'momets'"):
        list(examine(DDIM(), {"momets": "a slip"}))


def test_what_a_component_raises_is_told_as_a_failure():
    class Raises(Flow.__base__):
        def alpha_sigma(self, t):
            raise ZeroDivisionError("by design")

        def time(self, logsnr):
            return logsnr

    outcomes = {each.check.name: each for each in examine(Raises())}
    assert outcomes["limits"].state == "failed"
    assert "ZeroDivisionError: by design" in outcomes["limits"].message


def test_what_is_no_component_is_refused():
    class Nothing(Component):
        pass

    with pytest.raises(TypeError, match="no component"):
        kind_of(Nothing())
    assert kind_of(GlobalGenerator()) == "samplers"


def failed(component):
    return {each.check.name for each in examine(component) if each.state == "failed"}


class Net(nn.Module):
    def __init__(self, kind, classes):
        super().__init__()
        self.kind, self.label = kind, nn.Embedding(classes + 1, 3)
        self.conv, self.idle, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(2, 2), nn.BatchNorm2d(3)

    def forward(self, x, level, cond=None):
        row = torch.zeros(len(x), dtype=torch.long) if cond is None else cond + 1
        h = self.conv(x) * (1 + 0.1 * level[:, None, None, None]) + self.label(row)[:, :, None, None]
        match self.kind:
            case "mixes images":
                return h + h.mean(0, keepdim=True)
            case "ignores level":
                return self.conv(x) + self.label(row)[:, :, None, None]
            case "ignores labels":
                return self.conv(x) * level[:, None, None, None]
            case "halves":
                return h[..., ::2]
        return h


class Mistaken(Denoiser):
    kind: str

    def build(self, spec):
        return Net(self.kind, len(spec.classes))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("mixes images", "batch_independence"),
        ("ignores level", "level_matters"),
        ("ignores labels", "null_condition"),
        ("halves", "shape"),
        ("has idle parameters", "gradients"),
    ],
)
def test_mistakes_of_networks_are_caught_by_name(kind, name):
    assert name in failed(Mistaken(kind=kind))


class Pictures(Examples):
    def __init__(self, kind, split):
        self.kind, self.split = kind, split
        self.open = (lambda: None) if kind == "does not pickle" else None

    @property
    def provenance(self):
        return Provenance("noise", "made up", self.split)

    def __len__(self):
        return 20

    def __getitem__(self, index):
        generator = None if self.kind == "random" else torch.Generator().manual_seed(index)
        image = torch.rand(3, 8, 8, generator=generator)
        return Example(
            image if self.kind == "in [0, 1]" else 2 * image - 1, index % 2 if self.kind == "undescribed labels" else None
        )


class MistakenData(Dataset):
    kind: str

    def describe(self):
        return SampleSpec(3, 8, 8)

    def load(self, split, resources):
        return Pictures(self.kind, split)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("in [0, 1]", "value_range"),
        ("random", "determinism"),
        ("undescribed labels", "description"),
        ("does not pickle", "pickles"),
    ],
)
def test_mistakes_of_datasets_are_caught_by_name(kind, name):
    assert name in failed(MistakenData(kind=kind))


class MistakenFeatures(FeatureExtractor):
    kind: str

    def metric(self, family):
        return {"fd": "fid", "kid": "kid"}[family] if self.kind == "calls itself fid" else f"{family}_mine"

    def card(self):
        return ExtractorCard("mine", "0" * 64, "none", 12)

    def build(self, device):
        def features(images):
            pooled = nn.functional.adaptive_avg_pool2d(images.float(), 2).flatten(1)
            match self.kind:
                case "random":
                    return pooled + torch.rand_like(pooled)
                case "normalised over the batch":
                    return pooled - pooled.mean(0)
                case "wrong dimension":
                    return pooled[:, :5]
            return pooled

        return features


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("random", "determinism"),
        ("normalised over the batch", "batch_invariance"),
        ("wrong dimension", "shape"),
        ("calls itself fid", "card"),
    ],
)
def test_mistakes_of_feature_extractors_are_caught_by_name(kind, name):
    assert name in failed(MistakenFeatures(kind=kind))


def test_every_kind_has_checks_with_statements():
    for kind in ("schedules", "denoisers", "samplers", "datasets", "features"):
        for check in checks(kind):
            assert check.statement.endswith("."), check.name
