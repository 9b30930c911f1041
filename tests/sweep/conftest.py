"""Recipes with a search in them."""

import textwrap

import pytest

TINY = """
name = "tiny"
parameterization = "v"
dataset = { use = "cars", image_size = 16 }
schedule = { use = "linear", steps = 100 }
denoiser = { use = "small_cnn", channels = 8, depth = 1 }
sampler = { use = "ddim", steps = 2 }
[train]
steps = 4
batch_size = 4
validate_every = 0
[evaluate]
samples = 4
at_start = false
features = []
grid = 4
neighbours = 0
[sweep]
metric = "val/loss"
pruner = "none"
confirm = 0
"""
SPACE = '[sweep.space]\n"train.learning_rate" = { low = 1e-5, high = 1e-2, log = true }\n'


@pytest.fixture
def write(tmp_path):
    """Writes a recipe: the tiny one, with more lines of [sweep], and a space."""

    def written(sweep="", space=SPACE, base=TINY, name="tiny.toml"):
        path = tmp_path / name
        path.write_text(base + textwrap.dedent(sweep) + textwrap.dedent(space))
        return path

    return written
