"""What tests of the fast path share: kernels, tensors, and how far results are from float64."""

import pytest
import torch

from workbench.compute.fast.kernels import Kernels, can_build

needs_compiler = pytest.mark.skipif(not can_build(), reason="there is no C++ compiler here")


def built(folder, family):
    found = Kernels(folder, builds=True).get(family)
    assert found is not None, "".join(file.read_text() for file in folder.glob("*.failed"))
    return found


def written(blueprints):
    """Kernels as they are written down, computed by torch one operation after another: the mathematics without a compiler."""
    return {name: blueprint.function for name, blueprint in blueprints.items()}


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def images(*shape, seed=0):
    # Far from mean 0, where sums of squares lose digits.
    return (2.0 * normal(*shape, seed=seed) + 3.0).contiguous(memory_format=torch.channels_last)


def outcome(function, tensors, gradient, dtypes):
    """Value and gradients, in float64."""
    leaves = [each.clone().to(dtype).requires_grad_() for each, dtype in zip(tensors, dtypes, strict=True)]
    out = function(*leaves)
    out.backward(gradient.to(out.dtype))
    return [each.double() for each in (out.detach(), *(leaf.grad for leaf in leaves))]


def errors(found, truth):
    return [float((a - b).norm() / b.norm()) for a, b in zip(found, truth, strict=True)]
