"""Bridged schedulers deviate as declared, and docs/bridge.md lists the deviations."""

import re

import pytest

pytest.importorskip("wb_diffusers", reason="diffusion-workbench-diffusers is not installed (make peers)")

from wb_diffusers.catalogue import BRIDGED, REFUSED
from wb_diffusers.deviations import deviations
from wb_diffusers.sampler import DiffusersSampler
from wb_diffusers.unet import DiffusersUNet
from workbench.testing import DenoiserConformance, checks, examine

pytestmark = pytest.mark.peers


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "DDIMScheduler",
        "DDPMScheduler",
        "DPMSolverMultistepScheduler",
        "EulerAncestralDiscreteScheduler",
        "HeunDiscreteScheduler",
        "UniPCMultistepScheduler",
    ],
)
def test_deviations_are_those_declared(name):
    wrong = [
        f"{result.check.name}: {result.message}"
        for result in examine(DiffusersSampler(scheduler=name), deviations(name))
        if not result.conforms
    ]
    assert wrong == []


def test_the_document_has_every_scheduler_with_the_deviations_declared(repository):
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", (repository / "docs" / "bridge.md").read_text(), re.MULTILINE))
    assert set(rows) == set(BRIDGED) | set(REFUSED)
    names = {check.name for check in checks("samplers")}
    for name in BRIDGED:
        listed = {word for word in re.findall(r"`(\w+)`: ", rows[name].rsplit("|", 1)[-1]) if word in names}
        assert listed == set(deviations(name)), name
    for name, reason in REFUSED.items():
        assert rows[name].strip() == reason


class TestUNet(DenoiserConformance):
    component = DiffusersUNet(
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
    )
