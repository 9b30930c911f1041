"""UNet2DModel as a denoiser."""

import pytest
import torch

pytest.importorskip("wb_diffusers", reason="diffusion-workbench-diffusers is not installed (make peers)")

from wb_diffusers.unet import DiffusersUNet
from wb_diffusers.unet_network import timestep_of
from workbench.interfaces import CombinationError, SampleSpec

pytestmark = pytest.mark.peers

SMALL = DiffusersUNet(
    block_out_channels=(8, 16),
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    layers_per_block=1,
    norm_num_groups=4,
)
SPEC = SampleSpec(3, 8, 8, classes=("a", "b"))


def test_the_output_is_that_of_their_network_at_the_mapped_timestep():
    torch.manual_seed(0)
    network = SMALL.build(SPEC).eval()
    x, level, cond = torch.randn(2, 3, 8, 8), torch.tensor([-3.0, 7.5]), torch.tensor([1, -1])
    theirs = network.inner(x, torch.tensor([575.0, 312.5]), class_labels=torch.tensor([1, 2])).sample
    torch.testing.assert_close(network(x, level, cond), theirs)


def test_no_condition_is_minus_one_for_every_image():
    torch.manual_seed(0)
    network = SMALL.build(SPEC).eval()
    x, level = torch.randn(2, 3, 8, 8), torch.tensor([0.0, 1.0])
    assert torch.equal(network(x, level, None), network(x, level, torch.tensor([-1, -1])))
    assert not torch.equal(network(x, level, None), network(x, level, torch.tensor([0, 0])))


def test_without_classes_there_is_no_embedding():
    network = SMALL.build(SampleSpec(1, 8, 8))
    assert network.inner.class_embedding is None
    assert network(torch.zeros(2, 1, 8, 8), torch.zeros(2)).shape == (2, 1, 8, 8)


def test_without_labels_weights_with_a_class_embedding_are_read():
    torch.manual_seed(0)
    before, now = SMALL.build(SPEC).eval(), SMALL.build(SampleSpec(3, 8, 8)).eval()
    now.load_state_dict(before.state_dict())
    x, level = torch.randn(2, 3, 8, 8), torch.tensor([-3.0, 7.5])
    with torch.no_grad():
        torch.testing.assert_close(now(x, level, None), before(x, level, None), rtol=1e-4, atol=1e-5)


def test_the_timestep_falls_strictly_with_the_level_from_1000_to_0():
    levels = torch.linspace(-20, 20, 401)
    timesteps = timestep_of(levels)
    assert timesteps[0] == 1000.0
    assert timesteps[-1] == 0.0
    assert (timesteps.diff() < 0).all()


def test_shapes_and_fields_that_do_not_fit_are_refused():
    with pytest.raises(CombinationError, match="multiples of 4"):
        DiffusersUNet().build(SampleSpec(3, 30, 30))
    with pytest.raises(ValueError, match="up_block_types has 1 entries, and block_out_channels 2"):
        DiffusersUNet(block_out_channels=(32, 32), down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",))
    with pytest.raises(ValueError, match="norm_num_groups \\(32\\) must divide"):
        DiffusersUNet(block_out_channels=(48, 64, 64))
