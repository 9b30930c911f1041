"""The command that draws more images with a combination that was measured."""

from __future__ import annotations

import shlex
from pathlib import Path

import workbench as wb
from workbench.cli.sampler_options import options_of


def sample_command(run: wb.runs.RunFolder, recipe: wb.recipe.Recipe, slot: wb.recipe.SamplerSlot, seed: int, home: Path) -> str:
    """The `wb sample` command that draws with exactly this sampler, and starts from the noise that was measured."""
    name = run.id if run.home.resolve() == home.resolve() else str(run.path)
    words = ["wb", "sample", name, *options_of(slot, recipe), *(["--seed", str(seed)] if seed else [])]
    return shlex.join(words)
