"""The command that draws more images with a combination that was measured."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.recipe import Recipe, SamplerSlot
    from workbench.runs import RunFolder


def sample_command(run: RunFolder, recipe: Recipe, slot: SamplerSlot, seed: int, home: Path) -> str:
    """The `wb sample` command that draws with exactly this sampler, and starts from the noise that was measured."""
    from workbench.cli.sampler_options import options_of

    name = run.id if run.home.resolve() == home.resolve() else str(run.path)
    words = ["wb", "sample", name, *options_of(slot, recipe), *(["--seed", str(seed)] if seed else [])]
    return shlex.join(words)
