"""python -m workbench.compute.fast.building FAMILY FOLDER: compile a family of kernels with torch into a folder."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench.compute.fast import narrow_attention, norm_silu
from workbench.compute.fast.kernels import DIGESTS, FIXED_SIZE, Blueprint, Kernel, digest_of, load_kernel

FAMILIES: dict[str, Callable[[], Mapping[str, Blueprint]]] = {
    **{
        norm_silu.family(dtype, silu=silu): partial(norm_silu.blueprints, dtype, silu=silu)
        for dtype in (torch.float32, torch.bfloat16)
        for silu in (True, False)
    },
    **{
        narrow_attention.family(width, dtype): partial(narrow_attention.blueprints, width, dtype)
        for width in range(1, narrow_attention.MOST_CHANNELS + 1)
        for dtype in (torch.float32, torch.bfloat16)
    },
}
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>; kernels are compiled on Linux only
CONFIGURATION = {
    "cpp.enable_floating_point_contract_flag": "fast",  # fused multiply-add
    "cpp.dynamic_threads": True,  # as many threads as torch is set to use when the kernel runs
    # Compile for many threads with little work each. For the one thread of this process, only the outermost loop would be parallel, and for a
    # single image that loop has one iteration.
    "cpp.threads": 64,
    "cpp.min_chunk_size": 1,
    # Recompute in registers what is used many times, and never write it to memory.
    "realize_reads_threshold": 10**6,
    "realize_opcount_threshold": 10**6,
}


def main() -> None:
    """Build the family into a temporary folder and move it to its place; no other files are left."""
    family, folder = sys.argv[1], Path(sys.argv[2])
    os.umask(0o022)  # other users must not be able to change code that is loaded
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing_") as scratch:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = scratch
        build(FAMILIES[family](), Path(scratch) / "built")
        (Path(scratch) / "built").rename(folder)


def build(blueprints: Mapping[str, Blueprint], folder: Path) -> None:
    """Create the folder and compile a file per kernel, on all CPU cores."""
    folder.mkdir()
    with ProcessPoolExecutor(min(len(blueprints), os.cpu_count() or 1), get_context("fork"), _die_with_parent) as pool:
        for _ in pool.map(_build, blueprints, blueprints.values(), repeat(folder)):
            pass
    (folder / DIGESTS).write_text(json.dumps({name: digest_of(folder / f"{name}.so") for name in blueprints}))


def _die_with_parent() -> None:
    """Make a worker end with its parent: if a build is killed at its time limit, its workers would wait for work for ever."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _build(name: str, blueprint: Blueprint, folder: Path) -> None:
    package = folder / f"{name}.pt2"
    torch._inductor.aoti_compile_and_package(_export(blueprint), package_path=str(package), inductor_configs=CONFIGURATION)
    with zipfile.ZipFile(package) as archive:
        (library,) = [entry for entry in archive.namelist() if entry.endswith(".so")]
        (folder / f"{name}.so").write_bytes(archive.read(library))
    package.unlink()
    _check(name, blueprint, load_kernel(folder / f"{name}.so"))


def _check(name: str, blueprint: Blueprint, kernel: Kernel) -> None:
    """Raise ValueError if a kernel does not compute what its blueprint does."""
    outputs = blueprint.function(*blueprint.like)
    for computed, expected in zip(kernel(*blueprint.like), outputs, strict=True):
        error = float((computed.double() - expected.double()).norm() / expected.double().norm())
        if not error < (1e-2 if expected.dtype == torch.bfloat16 else 1e-4):
            raise ValueError(f"kernel {name}: its result has a relative error of {error:.1e}")


def _export(blueprint: Blueprint) -> torch.export.ExportedProgram:
    class Function(nn.Module):
        def forward(self, *tensors: Tensor) -> object:
            return blueprint.function(*tensors)

    names = sorted({name for sizes in blueprint.sizes for name in sizes.split() if name != FIXED_SIZE})
    named = {name: torch.export.Dim(name, min=1, max=2**30) for name in names}
    shapes = tuple({at: named[name] for at, name in enumerate(sizes.split()) if name != FIXED_SIZE} for sizes in blueprint.sizes)
    # Clones, because torch takes the same tensor in two places for one argument.
    like = tuple(tensor.clone() for tensor in blueprint.like)
    return torch.export.export(Function(), like, dynamic_shapes=(shapes,))


if __name__ == "__main__":
    main()
