"""Flips single bits of a run's newest checkpoint; each must be detected, and the previous checkpoint used.

python tests/chaos/corruption.py --flips 200
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from runs import finish, print_findings, run_of, written_recipe

from workbench.errors import WorkbenchError
from workbench.tensors import read_tensors
from workbench.training.checkpoint import latest_checkpoint


def main() -> int:
    """Flip all bits; 0 if every flip was detected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, wrong = random.Random(options.seed), []
    noticed = survived = silent = 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        finish(["run", str(written_recipe(Path(folder), "alone", 40)), "--no-track"], home, Path(folder) / "log")
        checkpoints = run_of(home, "alone").checkpoints
        copy = Path(folder) / "copy"
        for flip in range(options.flips):
            shutil.copytree(checkpoints, copy)
            newest = sorted(copy.iterdir())[-1]
            path = rng.choice(sorted(newest.iterdir()))
            data = bytearray(path.read_bytes())
            bit = rng.randrange(8 * len(data))
            data[bit // 8] ^= 1 << bit % 8
            path.write_bytes(data)
            warned: list[str] = []
            checkpoint = latest_checkpoint(copy, warned.append)
            noticed += bool(warned)
            survived += (
                checkpoint is not None and checkpoint.folder != newest and len(checkpoint.tensors("network.safetensors")) > 0
            )
            if not warned:
                wrong.append(f"flip {flip}: bit {bit} of {path.name}")
            if path.suffix == ".safetensors":
                silent += _loads(path)
            shutil.rmtree(copy)
    if survived != options.flips:
        wrong.append(f"{options.flips - survived} were not survived")
    return print_findings(
        {"flips": options.flips, "noticed": noticed, "survived": survived, "safetensors alone would have loaded": silent}, wrong
    )


def _loads(path: Path) -> bool:
    """True if the file format itself detects nothing."""
    try:
        read_tensors(path)
    except WorkbenchError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
