"""Attention of narrow heads in compiled kernels, which hold no weights: products of so few channels cost less than the way to memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from workbench.engine.fast import attention
from workbench.engine.fast.exponential import SMALLEST, SQUARES, exponential
from workbench.engine.fast.kernels import Blueprint, Kernel

__all__ = ["blueprints", "family", "narrow_attend", "narrow_attention", "suits", "suits_attend"]

# Of more channels than these, matrix products are faster.
WIDEST = 8
# Tokens lie in memory in blocks of so many, the channels of a block side by side: a vector register of a processor with AVX-512.
LANES = 16
# Where no score can be greater, exponentials need no highest one taken off.
GREATEST = 10.0


def suits(*args: Any, **kwargs: Any) -> bool:
    """Whether `narrow_attention` computes a case of torch.nn.functional.scaled_dot_product_attention."""
    return attention.suits(*args, **kwargs) and args[0].shape[3] <= WIDEST and args[0].shape[2] % LANES == 0


def suits_attend(qkv: Tensor, heads: int) -> bool:
    """Whether `narrow_attend` computes a case of `attend`."""
    return attention.suits_attend(qkv, heads) and qkv.shape[2] <= 3 * heads * WIDEST and qkv.shape[1] % LANES == 0


def family(width: int) -> str:
    """The name of the kernels for heads of `width` channels."""
    return f"attention_{width}"


def narrow_attention(
    kernels: Mapping[str, Kernel], query: Tensor, key: Tensor, value: Tensor, *, scale: float | None = None, **_: Any
) -> Tensor:
    """softmax(q k^T scale) v of [b, heads, n, d], as `attention.attention`, by the kernels of `family`."""
    out: Tensor = _Attention.apply(query, key, value, query.shape[-1] ** -0.5 if scale is None else scale, kernels)
    return out


def narrow_attend(kernels: Mapping[str, Kernel], qkv: Tensor, heads: int) -> Tensor:
    """`attend` of [b, n, 3 c], by the kernels of `family`."""
    out: Tensor = _Attend.apply(qkv, heads, kernels)
    return out


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, query: Tensor, key: Tensor, value: Tensor, scale: float, kernels: Mapping[str, Kernel]
    ) -> Tensor:
        q, k, v = (_channels(each) for each in (query, key, value))
        out, lse = _attention(kernels, q, k, v, scale)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.scale, ctx.kernels = scale, kernels  # type: ignore[attr-defined]
        return _tokens(out, _like_tokens(query))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        of_all = _gradients(ctx.kernels, ctx.saved_tensors, _channels(gradient), ctx.scale)
        return (*(_tokens(each, _like_tokens(gradient)) for each in of_all), None, None)


class _Attend(torch.autograd.Function):
    """The same of queries, keys and values side by side, whose gradients are written side by side too."""

    @staticmethod
    def forward(ctx: FunctionCtx, qkv: Tensor, heads: int, kernels: Mapping[str, Kernel]) -> Tensor:
        b, n, width = qkv.shape
        d = width // 3 // heads
        query, key, value = qkv.reshape(b, n, 3, heads, d).permute(2, 0, 3, 1, 4)
        q, k, v = (_channels(each) for each in (query, key, value))
        out, lse = _attention(kernels, q, k, v, d**-0.5)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.scale, ctx.kernels = d**-0.5, kernels  # type: ignore[attr-defined]
        return _tokens(out, _like_tokens(query)).transpose(1, 2).view(b, n, heads * d)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        b, n, c = gradient.shape
        q = ctx.saved_tensors[0]
        do = gradient.reshape(b, n, -1, q.shape[2]).transpose(1, 2)
        # One array in the type it will have, put in order in one go.
        of_all = gradient.new_empty(3, *q.shape)
        for into, each in zip(of_all, _gradients(ctx.kernels, ctx.saved_tensors, _channels(do), ctx.scale), strict=True):
            into.copy_(each)
        by_token = of_all.view(3, b, -1, *q.shape[1:]).permute(1, 3, 5, 0, 2, 4)  # [b, n/16, 16, 3, heads, d]
        return by_token.reshape(b, n, 3 * c), None, None


def _attention(kernels: Mapping[str, Kernel], q: Tensor, k: Tensor, v: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """What attention gives for q, k, v [b heads, n/16, d, 16], and the logarithms of the sums of all weights, [b heads, n/16, 16].

    From here on q holds the scale and scores are 2^-6 of themselves, as in `lse`.
    """
    q *= scale / 2**SQUARES
    shift = q.new_zeros(q.shape[0], q.shape[1], LANES)
    # Asked of every head by itself: what becomes of an image shall not depend on the others of its batch.
    far = _longest(q) * _longest(k) > (GREATEST / 2**SQUARES) ** 2
    if far.any():
        (highest,) = kernels["highest"](q, k)
        shift = torch.where(far[:, None, None], highest, shift)
    out, total = kernels["forward"](q, k, v, shift)
    out /= total[:, :, None]
    return out, shift.add_(total.log_(), alpha=2**-SQUARES)


def _gradients(kernels: Mapping[str, Kernel], saved: Sequence[Tensor], do: Tensor, scale: float) -> tuple[Tensor, ...]:
    """Of the queries, before they were scaled, the keys and the values, by that of `out`; `saved`: q, k, v, out and lse."""
    q, k, v, out, lse = saved
    delta = (do * out).sum(2)  # [b heads, n/16, 16]
    (dq,) = kernels["queries"](q, k, v, do, lse, delta)
    dk, dv = kernels["keys"](q, k, v, do, lse, delta)
    # q holds scale / 2^6, dk only needs the scale, and dq is still owed it.
    return dq.mul_(scale), dk.mul_(2**SQUARES), dv


def _longest(vectors: Tensor) -> Tensor:
    """The square of the greatest length in every head [b heads], of vectors [b heads, n/16, d, 16]."""
    return vectors.square().sum(2).amax((1, 2))


def _highest(q: Tensor, k: Tensor) -> tuple[Tensor, ...]:
    """The greatest score of every query. In a kernel with what follows, torch would write all scores to memory."""
    return (_products(q, k, q.new_zeros(())).amax((-2, -1)),)


def _forward(q: Tensor, k: Tensor, v: Tensor, shift: Tensor) -> tuple[Tensor, ...]:
    """exp(2^6 (q k^T - shift)) v, and the sums of the exponentials."""
    weights = exponential(_products(q, k, -SMALLEST - shift[..., None, None]))
    return _sums(weights, v), weights.sum((-2, -1))


def _queries(q: Tensor, k: Tensor, v: Tensor, do: Tensor, lse: Tensor, delta: Tensor) -> tuple[Tensor, ...]:
    """The gradient of the queries but for the scale; the weights are computed again (Dao et al. 2022, arXiv:2205.14135, B.4)."""
    weights = exponential(_products(q, k, -SMALLEST - lse[..., None, None]))
    return (_sums(weights * _products(do, v, -delta[..., None, None]), k),)


def _keys(q: Tensor, k: Tensor, v: Tensor, do: Tensor, lse: Tensor, delta: Tensor) -> tuple[Tensor, ...]:
    """The gradients of the keys, as if q were not scaled, and of the values."""
    weights = exponential(_products(k, q, -SMALLEST - lse[:, None, None]))
    return _sums(weights * _products(v, do, -delta[:, None, None]), q), _sums(weights, do)


def _products(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """[h, n, d, 16], [h, m, d, 16] -> start + products [h, n, 16, m, 16], written out: what follows is computed in the same pass."""
    for channel in range(a.shape[2]):
        start = start + a[:, :, channel, :, None, None] * b[:, None, None, :, channel]
    return start


def _sums(weights: Tensor, b: Tensor) -> Tensor:
    """[h, n, 16, m, 16], [h, m, d, 16] -> [h, n, d, 16]."""
    return torch.stack([(weights * b[:, None, None, :, channel]).sum((-2, -1)) for channel in range(b.shape[2])], 2)


def blueprints(width: int) -> dict[str, Blueprint]:
    """The kernels for heads of `width` channels."""
    # Small, so that exponentials of arbitrary numbers stay numbers.
    heads, line = 0.05 * torch.randn(6, 3, width, LANES), 0.05 * torch.randn(6, 3, LANES)
    of_heads, of_line = "h n - -", "h n -"
    six, of_six = (*(heads,) * 4, line, line), (*(of_heads,) * 4, of_line, of_line)
    return {
        "highest": Blueprint(_highest, (heads, heads), (of_heads,) * 2),
        "forward": Blueprint(_forward, (heads, heads, heads, line), (*(of_heads,) * 3, of_line)),
        "queries": Blueprint(_queries, six, of_six),
        "keys": Blueprint(_keys, six, of_six),
    }


def _channels(each: Tensor) -> Tensor:
    """[b, heads, n, d] -> [b heads, n/16, d, 16] in float32, a copy."""
    b, heads, n, d = each.shape
    blocks = each.reshape(b, heads, n // LANES, LANES, d).mT
    return torch.empty(blocks.shape).copy_(blocks).flatten(0, 1)


def _tokens(blocks: Tensor, into: Tensor) -> Tensor:
    """[b heads, n/16, d, 16] -> `into` [b, heads, n, d], which is returned."""
    b, heads, n, d = into.shape
    # First to the type: that is half the numbers to put in another order.
    by_token = blocks.to(into.dtype).view(b, heads, n // LANES, d, LANES).mT
    into.unflatten(2, (n // LANES, LANES)).copy_(by_token)
    return into


def _like_tokens(each: Tensor) -> Tensor:
    """Room for [b, heads, n, d], in memory as [b, n, heads, d], which is how networks go on with it."""
    b, heads, n, d = each.shape
    return each.new_empty(b, n, heads, d).transpose(1, 2)
