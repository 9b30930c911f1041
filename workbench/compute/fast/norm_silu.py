"""Group norm, and SiLU of it, in three compiled kernels each, with all that depends on image and channel alone in one product and one sum."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from workbench.compute.fast.exponential import sigmoid
from workbench.compute.fast.group_norm import as_pixels
from workbench.compute.fast.kernels import Blueprint, Kernel


def suits(
    image: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float = 1e-5,
    *per_image: Tensor | None,
) -> bool:
    """Whether the kernels compute this case: images on the host with channels last, and what is told per image [b, c] each."""
    return (
        image.dim() == 4
        and image.numel() > 0
        and image.shape[1] % groups == 0
        and all(each is None or each.shape == image.shape[:2] for each in per_image)
        and image.device.type == "cpu"
        and image.dtype in (torch.float32, torch.bfloat16)
        and image.is_contiguous(memory_format=torch.channels_last)
        and weight.dtype == bias.dtype == torch.float32
    )


def family(dtype: torch.dtype, *, silu: bool = True) -> str:
    """The name of the kernels for images of this type, with SiLU or without."""
    return f"norm_{'silu_' if silu else ''}{str(dtype).removeprefix('torch.')}"


def norm_silu(
    kernels: Mapping[str, Kernel],
    image: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float = 1e-5,
    added: Tensor | None = None,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """`group_norm_silu`, or the same without SiLU, by the kernels of `family`.

    The values are those of torch, but for the rounding of what lies between: a sum of `added` and the image is nowhere written.
    """
    b, c = image.shape[:2]
    gamma, beta = weight.expand(b, c), bias.expand(b, c)
    if scale is not None and shift is not None:
        gamma, beta = gamma * (1.0 + scale.float()), torch.addcmul(shift.float(), beta, 1.0 + scale.float())
    offset = image.new_zeros((), dtype=torch.float32).expand(b, c) if added is None else added.float()
    out: Tensor = _NormSiLU.apply(image, offset, gamma, beta, groups, eps, kernels, False)
    return out


def fork_norm_silu(
    kernels: Mapping[str, Kernel], image: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """`fork_group_norm_silu`, by the kernels of `family`."""
    b, c = image.shape[:2]
    offset = image.new_zeros((), dtype=torch.float32).expand(b, c)
    out: tuple[Tensor, Tensor] = _NormSiLU.apply(
        image, offset, weight.expand(b, c), bias.expand(b, c), groups, eps, kernels, True
    )
    return out


class _NormSiLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        image: Tensor,
        added: Tensor,
        gamma: Tensor,
        beta: Tensor,
        groups: int,
        eps: float,
        kernels: Mapping[str, Kernel],
        fork: bool,
    ) -> Tensor | tuple[Tensor, Tensor]:
        x = _grouped_pixels(image, groups)
        added, gamma, beta = (each.reshape(len(x), groups, -1).contiguous() for each in (added, gamma, beta))
        y, *saved = kernels["forward"](x, added, gamma, beta, torch.tensor(eps))
        ctx.save_for_backward(image, added, gamma, *saved)
        ctx.groups, ctx.kernels = groups, kernels  # type: ignore[attr-defined]
        return (_image(y, image), image) if fork else _image(y, image)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, beside: Tensor | None = None) -> tuple[Tensor | None, ...]:
        image, added, gamma, a, b, mean, rstd, total = ctx.saved_tensors
        x = _grouped_pixels(image, ctx.groups)
        dy = _grouped_pixels(_channels_last(gradient), ctx.groups)
        on_x, constant, *of_channels = ctx.kernels["sums"](x, dy, a, b, mean, rstd, total, added, gamma)
        told = [x.flatten(2), dy.flatten(2), *(each.flatten(1) for each in (a, b, on_x, constant))]
        if beside is None:
            (dx,) = ctx.kernels["backward"](*told)
        else:
            (dx,) = ctx.kernels["backward_of_fork"](*told, as_pixels(_channels_last(beside)))
        return _image(dx, image), *(each.flatten(1) for each in of_channels), None, None, None, None


def _forward(silu: bool, x: Tensor, added: Tensor, gamma: Tensor, beta: Tensor, eps: Tensor) -> tuple[Tensor, ...]:
    """x [b, p, g, c/g], `added`, `gamma`, `beta` [b, g, c/g] -> x a + b, or SiLU of it, like x; a and b; mean and 1 / standard deviation
    of each group [b, g, 1]; the sum of all x + added [b, g, c/g]."""
    _, p, _, k = x.shape
    values = x.float()
    # In float64 from here on: the difference of two squares loses digits.
    first, second = values.sum(1).double(), (values * values).sum(1).double()
    total = first + p * added
    square = second + 2.0 * added * first + p * added * added
    mean = total.sum(2, keepdim=True) / (p * k)
    variance = (square.sum(2, keepdim=True) / (p * k) - mean * mean).clamp(min=0.0)
    rstd, mean = (variance + eps).rsqrt().float(), mean.float()
    a = rstd * gamma
    b = beta + (added - mean) * a
    y = values * a[:, None] + b[:, None]
    return (y * sigmoid(y) if silu else y).to(x.dtype), a, b, mean, rstd, total.float()


def _sums(
    silu: bool,
    x: Tensor,
    dy: Tensor,
    a: Tensor,
    b: Tensor,
    mean: Tensor,
    rstd: Tensor,
    total: Tensor,
    added: Tensor,
    gamma: Tensor,
) -> tuple[Tensor, ...]:
    """What the gradient of x is an affine function of x and that of the norm by, and the gradients of `added`, `gamma` and `beta`.

    As in group_norm.py, whose mean(w dy) and mean(w dy normal) these are; every tensor that is returned is [b, g, c/g].
    """
    _, p, _, k = x.shape
    dn = _of_norm(silu, x, dy, a[:, None], b[:, None])
    of_beta, product = dn.sum(1), (dn * x.float()).sum(1)
    of_gamma = (product + (added - mean) * of_beta) * rstd
    on_x = -(of_gamma * gamma).sum(2, keepdim=True) * rstd * rstd / (p * k)
    constant = -on_x * mean - (of_beta * gamma).sum(2, keepdim=True) * rstd / (p * k)
    of_added = a * of_beta + on_x * total + p * constant
    return on_x.expand_as(a).contiguous(), constant + added * on_x, of_added, of_gamma, of_beta


def _backward(silu: bool, x: Tensor, dy: Tensor, a: Tensor, b: Tensor, on_x: Tensor, constant: Tensor) -> tuple[Tensor, ...]:
    """The gradient of x [b, p, c]; the others but `dy` are [b, c]."""
    dn = _of_norm(silu, x, dy, a[:, None], b[:, None])
    return ((dn * a[:, None] + x.float() * on_x[:, None] + constant[:, None]).to(x.dtype),)


def _backward_of_fork(
    x: Tensor, dy: Tensor, a: Tensor, b: Tensor, on_x: Tensor, constant: Tensor, beside: Tensor
) -> tuple[Tensor, ...]:
    """The same with SiLU, and with the gradient [b, p, c] that comes to x by the branch beside."""
    (dx,) = _backward(True, x.float(), dy, a, b, on_x, constant)
    return ((dx + beside.float()).to(x.dtype),)


def _of_norm(silu: bool, x: Tensor, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """dy, times the derivative of SiLU at x a + b."""
    if not silu:
        return dy.float()
    y = x.float() * a + b
    share = sigmoid(y)
    return dy.float() * (share * (1.0 + y * (1.0 - share)))


def blueprints(dtype: torch.dtype, *, silu: bool = True) -> dict[str, Blueprint]:
    """The kernels for images of this type, with SiLU or without."""
    image, pixels = torch.randn(4, 64, 32, 5).to(dtype), torch.randn(4, 64, 72).to(dtype)
    channel, group, flat = torch.randn(4, 32, 5), torch.randn(4, 32, 1), torch.randn(4, 72)
    of_image, of_channel, of_group = "b p g k", "b g k", "b g -"
    of_backward, sizes = (pixels, pixels, *(flat,) * 4), ("b p c", "b p c", *("b c",) * 4)
    kernels = {
        "forward": Blueprint(
            partial(_forward, silu), (image, channel, channel, channel, torch.tensor(1e-5)), (of_image, *(of_channel,) * 3, "")
        ),
        "sums": Blueprint(
            partial(_sums, silu),
            (image, image, channel, channel, group, group, channel, channel, channel),
            (of_image, of_image, *(of_channel,) * 2, *(of_group,) * 2, *(of_channel,) * 3),
        ),
        "backward": Blueprint(partial(_backward, silu), of_backward, sizes),
    }
    if silu:
        kernels["backward_of_fork"] = Blueprint(_backward_of_fork, (*of_backward, pixels), (*sizes, "b p c"))
    return kernels


def _channels_last(image: Tensor) -> Tensor:
    return image.contiguous(memory_format=torch.channels_last)


def _grouped_pixels(image: Tensor, groups: int) -> Tensor:
    """[b, c, h, w] with channels last -> [b, h w, g, c/g], a view."""
    pixels = as_pixels(image)
    return pixels.reshape(*pixels.shape[:2], groups, -1)


def _image(grouped: Tensor, like: Tensor) -> Tensor:
    """[b, h w, ...] -> [b, c, h, w] with channels last."""
    b, c, h, w = like.shape
    return grouped.reshape(b, h, w, c).permute(0, 3, 1, 2)
