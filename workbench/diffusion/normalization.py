"""Group norm + SiLU with optional AdaGN modulation; dispatches to faster kernels during a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary


def group_norm_silu(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float = 1e-5,
    added: Tensor | None = None,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """silu((1 + scale) group_norm(x + added) + shift) of x [b, c, h, w], in the type of x.

    Group norm by Wu & He 2018 (arXiv:1803.08494) with `weight` and `bias` [c]. `added`, `scale` and `shift`, [b, c] each, condition a
    residual block on the noise level: `added` as a sum, as in DDPM, or `scale` and `shift` (both or neither), which is AdaGN of
    Dhariwal & Nichol 2021 (arXiv:2105.05233), section 3.1.
    """
    if has_torch_function_unary(x):
        out: Tensor = handle_torch_function(group_norm_silu, (x,), x, groups, weight, bias, eps, added, scale, shift)
        return out
    return reference_group_norm_silu(F.group_norm, x, groups, weight, bias, eps, added, scale, shift)


def fork_group_norm_silu(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    """`group_norm_silu` of x [b, c, h, w], and x for the parallel residual branch, of the same shape.

    If a network continues with the returned x, the gradients of both branches are added in the backward kernel of the norm.
    """
    if has_torch_function_unary(x):
        out: tuple[Tensor, Tensor] = handle_torch_function(fork_group_norm_silu, (x,), x, groups, weight, bias, eps)
        return out
    return reference_fork(group_norm_silu, x, groups, weight, bias, eps)


def reference_fork(norm: Callable[..., Tensor], x: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """`fork_group_norm_silu` with the given `norm`."""
    return norm(x, *args, **kwargs), x


def reference_group_norm_silu(
    norm: Callable[..., Tensor],
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float = 1e-5,
    added: Tensor | None = None,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """`group_norm_silu` in steps, with the given group norm `norm`."""
    x = x if added is None else x + added[:, :, None, None]
    if x.is_cuda and x.dtype != torch.float32:
        # Autocast would convert to float32, which doubles the memory traffic. Means and variances are float32 in both cases.
        with torch.autocast("cuda", enabled=False):
            normal = norm(x, groups, weight.to(x.dtype), bias.to(x.dtype), eps)
    else:
        normal = norm(x, groups, weight, bias, eps)
    if scale is not None and shift is not None:
        normal = normal * (1.0 + scale[:, :, None, None]) + shift[:, :, None, None]
    return F.silu(normal, inplace=True)
