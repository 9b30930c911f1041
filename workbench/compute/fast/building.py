"""python -m workbench.compute.fast.building FAMILY FOLDER: have torch compile a family of kernels into a folder."""

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
from workbench.compute.fast.kernels import DIGESTS, FIXED, Blueprint, Kernel, digest_of, runner

FAMILIES: dict[str, Callable[[], Mapping[str, Blueprint]]] = {
    **{
        norm_silu.family(dtype, silu=silu): partial(norm_silu.blueprints, dtype, silu=silu)
        for dtype in (torch.float32, torch.bfloat16)
        for silu in (True, False)
    },
    **{
        narrow_attention.family(width, dtype): partial(narrow_attention.blueprints, width, dtype)
        for width in range(1, narrow_attention.WIDEST + 1)
        for dtype in (torch.float32, torch.bfloat16)
    },
}
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>; kernels are for Linux alone
CONFIGURATION = {
    "cpp.enable_floating_point_contract_flag": "fast",  # a product and the sum it goes into are one operation
    "cpp.dynamic_threads": True,  # as many as torch is told to use when the kernel runs
    # As for that many, and little to do: in this process, which has one thread, only the outermost loop would be shared out, and of a single
    # image that is one turn.
    "cpp.threads": 64,
    "cpp.min_chunk_size": 1,
    # What is used many times is computed many times, in registers, and never written to memory.
    "realize_reads_threshold": 10**6,
    "realize_opcount_threshold": 10**6,
}


def main() -> None:
    """Build the family that is named, with nothing left over elsewhere."""
    family, folder = sys.argv[1], Path(sys.argv[2])
    os.umask(0o022)  # what is loaded as code is for nobody else to change
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing_") as scratch:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = scratch
        build(FAMILIES[family](), Path(scratch) / "built")
        (Path(scratch) / "built").rename(folder)


def build(blueprints: Mapping[str, Blueprint], folder: Path) -> None:
    """A file per kernel, in a folder that this makes; as many at a time as there are processors."""
    folder.mkdir()
    with ProcessPoolExecutor(min(len(blueprints), os.cpu_count() or 1), get_context("fork"), _die_with_parent) as pool:
        for _ in pool.map(_build, blueprints, blueprints.values(), repeat(folder)):
            pass
    (folder / DIGESTS).write_text(json.dumps({name: digest_of(folder / f"{name}.so") for name in blueprints}))


def _die_with_parent() -> None:
    """A process that is killed, because it took too long, takes those it started with it; they would wait for work for ever."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _build(name: str, blueprint: Blueprint, folder: Path) -> None:
    package = folder / f"{name}.pt2"
    torch._inductor.aoti_compile_and_package(_exported(blueprint), package_path=str(package), inductor_configs=CONFIGURATION)
    with zipfile.ZipFile(package) as archive:
        (library,) = [entry for entry in archive.namelist() if entry.endswith(".so")]
        (folder / f"{name}.so").write_bytes(archive.read(library))
    package.unlink()
    _check(name, blueprint, runner(folder / f"{name}.so"))


def _check(name: str, blueprint: Blueprint, kernel: Kernel) -> None:
    """ValueError where a kernel does not compute what it was made from."""
    expected = blueprint.function(*blueprint.like)
    for told, true in zip(kernel(*blueprint.like), expected, strict=True):
        off = float((told.double() - true.double()).norm() / true.double().norm())
        if not off < (1e-2 if true.dtype == torch.bfloat16 else 1e-4):
            raise ValueError(f"kernel {name} is off by {off:.1e} of what it should give")


def _exported(blueprint: Blueprint) -> torch.export.ExportedProgram:
    class Whole(nn.Module):
        def forward(self, *tensors: Tensor) -> object:
            return blueprint.function(*tensors)

    names = sorted({name for sizes in blueprint.sizes for name in sizes.split() if name != FIXED})
    named = {name: torch.export.Dim(name, min=1, max=2**30) for name in names}
    shapes = tuple({at: named[name] for at, name in enumerate(sizes.split()) if name != FIXED} for sizes in blueprint.sizes)
    # The same tensor twice would be taken for one argument.
    like = tuple(each.clone() for each in blueprint.like)
    return torch.export.export(Whole(), like, dynamic_shapes=(shapes,))


if __name__ == "__main__":
    main()
