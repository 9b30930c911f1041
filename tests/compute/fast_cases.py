"""Shared by the tests of the fast path: kernels, tensors, and errors relative to float64."""

import pytest
import torch

from workbench.compute.fast.kernels import Kernels, can_build

needs_compiler = pytest.mark.skipif(not can_build(), reason="there is no C++ compiler")


def build_kernels(folder, family):
    kernels = Kernels(folder, builds=True).get(family)
    assert kernels is not None, "".join(file.read_text() for file in folder.glob("*.failed"))
    return kernels


def uncompiled(blueprints):
    """The functions that kernels are compiled from, which torch computes one operation at a time: the mathematics without a compiler."""
    return {name: blueprint.function for name, blueprint in blueprints.items()}


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def images(*shape, seed=0):
    # Values far from mean 0, for which sums of squares lose digits.
    return (2.0 * normal(*shape, seed=seed) + 3.0).contiguous(memory_format=torch.channels_last)


def value_and_gradients(function, tensors, gradient, dtypes):
    """Value and gradients, in float64."""
    leaves = [tensor.clone().to(dtype).requires_grad_() for tensor, dtype in zip(tensors, dtypes, strict=True)]
    out = function(*leaves)
    out.backward(gradient.to(out.dtype))
    return [tensor.double() for tensor in (out.detach(), *(leaf.grad for leaf in leaves))]


def relative_errors(results, truth):
    return [float((a - b).norm() / b.norm()) for a, b in zip(results, truth, strict=True)]
