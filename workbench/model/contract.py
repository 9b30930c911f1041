"""Check what datasets and networks return before it is used, so that errors name the component."""

from __future__ import annotations

import traceback
from typing import Any

import torch
from torch import Tensor, nn

from workbench.compute import is_out_of_memory
from workbench.errors import BrokenComponent, DataError, WorkbenchError
from workbench.interfaces import Examples, SampleSpec


@torch.no_grad()
def check_network(network: nn.Module, spec: SampleSpec, denoiser: str) -> None:
    """Call the network with one image; raise BrokenComponent if the call fails or the output has another shape."""
    x = torch.zeros(1, *spec.shape)
    training = network.training
    try:
        out = network.eval()(x, torch.zeros(1), None)
    except WorkbenchError:
        raise
    except Exception as error:  # third-party code may raise anything
        if is_out_of_memory(error):
            raise
        raise BrokenComponent(
            f"denoiser '{denoiser}': its network fails when called as network(x {list(x.shape)}, level [1], None): "
            f"{type(error).__name__}: {error} ({place_of_error(error)})"
        ) from error
    finally:
        network.train(training)
    if not isinstance(out, Tensor) or out.shape != x.shape:
        raise BrokenComponent(
            f"denoiser '{denoiser}': its network turns {list(x.shape)} into {describe_value(out)}; the shape must stay (wb plugins check {denoiser})"
        )


def check_examples(examples: Examples, spec: SampleSpec, dataset: str) -> None:
    """Check the first example; raise DataError if it does not match `describe()`."""
    if len(examples) == 0:
        raise DataError(f"dataset '{dataset}' has no examples ({examples.provenance.location})")
    image = examples[0].image
    if tuple(image.shape) != spec.shape or image.dtype != torch.float32:
        raise DataError(
            f"dataset '{dataset}': its first image is {describe_value(image)}, not float32 {list(spec.shape)} as it describes itself "
            f"(wb plugins check {dataset})"
        )
    low, high = float(image.min()), float(image.max())
    if not -1.001 <= low <= high <= 1.001:
        raise DataError(f"dataset '{dataset}': images must be in [-1, 1]; the first one is in [{low:g}, {high:g}]")


def place_of_error(error: BaseException) -> str:
    """File and line of the statement that raised an error."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}"


def describe_value(x: Any) -> str:
    return f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
