"""Attention of narrow heads in compiled kernels that store no attention weights: recomputing products of few channels costs less than memory
access."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from workbench.compute.fast import attention
from workbench.compute.fast.exponential import SMALLEST, SQUARES, exponential
from workbench.compute.fast.kernels import Blueprint, Kernel

# Heads with more channels than this are faster with matrix products.
MOST_CHANNELS = 8
# Tokens are stored in blocks of this size, one channel of a block after the other: a vector register of a CPU with AVX-512.
LANES = 16
# If no score can be greater, exponentials are computed without subtracting the highest one.
SAFE_SCORE = 10.0


def is_supported(*args: Any, **kwargs: Any) -> bool:
    """True if `narrow_attention` supports these arguments of torch.nn.functional.scaled_dot_product_attention."""
    return attention.is_supported(*args, **kwargs) and args[0].shape[3] <= MOST_CHANNELS and args[0].shape[2] % LANES == 0


def is_attend_supported(qkv: Tensor, heads: int) -> bool:
    """True if `narrow_attend` supports these arguments of `attend`."""
    return attention.is_attend_supported(qkv, heads) and qkv.shape[2] <= 3 * heads * MOST_CHANNELS and qkv.shape[1] % LANES == 0


def family(width: int, dtype: torch.dtype) -> str:
    """The name of the kernels for heads of `width` channels and tensors of `dtype`."""
    return f"attention_{width}_{str(dtype).removeprefix('torch.')}"


def narrow_attention(
    kernels: Mapping[str, Kernel], query: Tensor, key: Tensor, value: Tensor, *, scale: float | None = None, **_: Any
) -> Tensor:
    """softmax(q k^T scale) v of [b, heads, n, d], as `attention.attention`, with the kernels of `family`."""
    b, heads, n, d = query.shape
    qkv = torch.stack([tensor.transpose(1, 2) for tensor in (query, key, value)], 2).view(b, n, -1)
    out: Tensor = _Attend.apply(qkv, heads, d**-0.5 if scale is None else scale, kernels)
    return out.view(b, n, heads, d).transpose(1, 2)


def narrow_attend(kernels: Mapping[str, Kernel], qkv: Tensor, heads: int) -> Tensor:
    """`attend` of [b, n, 3 c] with the kernels of `family`."""
    out: Tensor = _Attend.apply(qkv, heads, (qkv.shape[2] // 3 // heads) ** -0.5, kernels)
    return out


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, qkv: Tensor, heads: int, scale: float, kernels: Mapping[str, Kernel]) -> Tensor:
        # q is scaled here, by 2^-6 in addition, as `exponential` expects of the scores.
        packed = _pack_heads(kernels, qkv, 3, heads)
        q, k, v = packed.flatten(1, 2)
        q *= scale / 2**SQUARES
        shift = _shift(kernels, q, k)
        out, total = kernels["forward"](q, k, v, shift)
        ctx.save_for_backward(packed, out, total, shift)
        ctx.scale, ctx.kernels = scale, kernels  # type: ignore[attr-defined]
        by_image = packed.shape[1:3]
        (tokens,) = kernels["unpack"](out.unflatten(0, by_image), total.unflatten(0, by_image))
        return tokens.view(*qkv.shape[:2], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        kernels, (packed, out, total, shift) = ctx.kernels, ctx.saved_tensors
        by_image = packed.shape[1:3]
        (do,), (q, k, v) = _pack_heads(kernels, gradient, 1, by_image[1]).flatten(1, 2), packed.flatten(1, 2)
        delta, lse = kernels["delta"](do, out, total, shift)
        gradients = (
            *kernels["queries"](q, k, v, do, lse, delta, torch.tensor(ctx.scale)),
            *kernels["keys"](q, k, v, do, lse, delta),
        )
        (tokens,) = kernels["gather"](*(tensor.unflatten(0, by_image) for tensor in gradients))
        return tokens.view(*gradient.shape[:2], -1), None, None, None


def _pack_heads(kernels: Mapping[str, Kernel], tokens: Tensor, count: int, heads: int) -> Tensor:
    """`count` tensors side by side, [b, n, count c] -> [count, b, heads, n/16, d, 16] in float32."""
    b, n, width = tokens.shape
    (packed,) = kernels["pack"](tokens.contiguous().view(b, n // LANES, LANES, count, heads, width // count // heads))
    return packed


def _shift(kernels: Mapping[str, Kernel], q: Tensor, k: Tensor) -> Tensor:
    """The number to subtract from all scores of a query, [b heads, n/16, 16]: the highest one if scores may be large, or else 0."""
    shift = q.new_zeros(q.shape[0], q.shape[1], LANES)
    # Decided for each head by itself, so that the result for an image does not depend on the rest of its batch.
    (bound,) = kernels["bound"](q, k)
    (large,) = torch.nonzero(bound > (SAFE_SCORE / 2**SQUARES) ** 2, as_tuple=True)
    if len(large):
        (shift[large],) = kernels["highest"](q[large], k[large])
    return shift


def _pack(tokens: Tensor) -> tuple[Tensor, ...]:
    """[b, n/16, 16, count, heads, d] -> [count, b, heads, n/16, d, 16]."""
    return (tokens.float().permute(3, 0, 4, 1, 5, 2).contiguous(),)


def _unpack(dtype: torch.dtype, out: Tensor, total: Tensor) -> tuple[Tensor, ...]:
    """[b, heads, n/16, d, 16] / [b, heads, n/16, 16] -> [b, n/16, 16, heads, d]."""
    return (_by_token(out / total[:, :, :, None], dtype).contiguous(),)


def _gather(dtype: torch.dtype, dq: Tensor, dk: Tensor, dv: Tensor) -> tuple[Tensor, ...]:
    """Three [b, heads, n/16, d, 16] -> [b, n/16, 16, 3, heads, d]."""
    return (torch.stack([_by_token(tensor, dtype) for tensor in (dq, dk, dv)], 3),)


def _by_token(blocks: Tensor, dtype: torch.dtype) -> Tensor:
    return blocks.permute(0, 2, 4, 1, 3).to(dtype)


def _bound(q: Tensor, k: Tensor) -> tuple[Tensor, ...]:
    """The square of an upper bound of a head's scores: the greatest norm of its queries times that of its keys."""
    return (_dots(q, q).amax((1, 2)) * _dots(k, k).amax((1, 2)),)


def _highest(q: Tensor, k: Tensor) -> tuple[Tensor, ...]:
    """The greatest score of every query. A kernel of its own: together with what follows, torch would write all scores to memory."""
    return (_products(q, k, q.new_zeros(())).amax((-2, -1)),)


def _forward(q: Tensor, k: Tensor, v: Tensor, shift: Tensor) -> tuple[Tensor, ...]:
    """exp(2^6 (q k^T - shift)) v and the sums of the exponentials."""
    weights = exponential(_products(q, k, -SMALLEST - shift[..., None, None]))
    return _sums(weights, v), weights.sum((-2, -1))


def _delta(do: Tensor, out: Tensor, total: Tensor, shift: Tensor) -> tuple[Tensor, ...]:
    """For every query: the product of the attention output and its gradient, and 2^-6 of the logarithm of the sum of all weights."""
    return _dots(do, out) / total, shift + total.log() * 2**-SQUARES


def _queries(q: Tensor, k: Tensor, v: Tensor, do: Tensor, lse: Tensor, delta: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
    """The gradient of the unscaled queries; the weights are recomputed (Dao et al. 2022, arXiv:2205.14135, B.4)."""
    weights = exponential(_products(q, k, -SMALLEST - lse[..., None, None]))
    return (_sums(weights * _products(do, v, -delta[..., None, None]), k) * scale,)


def _keys(q: Tensor, k: Tensor, v: Tensor, do: Tensor, lse: Tensor, delta: Tensor) -> tuple[Tensor, ...]:
    """The gradients of the keys and of the values; q includes the scale and 2^-6."""
    weights = exponential(_products(k, q, -SMALLEST - lse[:, None, None]))
    return _sums(weights * _products(v, do, -delta[:, None, None]), q) * 2**SQUARES, _sums(weights, do)


def _products(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """[h, n, d, 16], [h, m, d, 16] -> start + products [h, n, 16, m, 16], as a sum that torch fuses with the operations that follow."""
    for channel in range(a.shape[2]):
        start = start + a[:, :, channel, :, None, None] * b[:, None, None, :, channel]
    return start


def _sums(weights: Tensor, b: Tensor) -> Tensor:
    """[h, n, 16, m, 16], [h, m, d, 16] -> [h, n, d, 16]."""
    return torch.stack([(weights * b[:, None, None, :, channel]).sum((-2, -1)) for channel in range(b.shape[2])], 2)


def _dots(a: Tensor, b: Tensor) -> Tensor:
    """Two tensors [h, n, d, 16] -> the product of corresponding tokens [h, n, 16], as a sum likewise."""
    product = a[:, :, 0] * b[:, :, 0]
    for channel in range(1, a.shape[2]):
        product = product + a[:, :, channel] * b[:, :, channel]
    return product


def blueprints(width: int, dtype: torch.dtype) -> dict[str, Blueprint]:
    """The kernels for heads of `width` channels and tensors of `dtype`."""
    # Small numbers, so that their exponentials are finite.
    heads, per_query = 0.05 * torch.randn(6, 3, width, LANES), 0.05 * torch.randn(6, 3, LANES)
    head_sizes, query_sizes = "h n - -", "h n -"
    gradient_tensors, gradient_sizes = (*(heads,) * 4, per_query, per_query), (*(head_sizes,) * 4, query_sizes, query_sizes)
    tokens, image = torch.randn(4, 2, LANES, 3, 5, width).to(dtype), torch.randn(4, 5, 2, width, LANES)
    image_sizes, sums = "b h n - -", torch.rand(4, 5, 2, LANES) + 1.0
    return {
        "pack": Blueprint(_pack, (tokens,), ("b n - t h -",)),
        "unpack": Blueprint(partial(_unpack, dtype), (image, sums), (image_sizes, "b h n -")),
        "gather": Blueprint(partial(_gather, dtype), (image,) * 3, (image_sizes,) * 3),
        "bound": Blueprint(_bound, (heads, heads), (head_sizes,) * 2),
        "highest": Blueprint(_highest, (heads, heads), (head_sizes,) * 2),
        "forward": Blueprint(_forward, (heads, heads, heads, per_query), (*(head_sizes,) * 3, query_sizes)),
        "delta": Blueprint(
            _delta, (heads, heads, per_query.abs() + 1.0, per_query), (head_sizes, head_sizes, query_sizes, query_sizes)
        ),
        "queries": Blueprint(_queries, (*gradient_tensors, torch.tensor(0.5)), (*gradient_sizes, "")),
        "keys": Blueprint(_keys, gradient_tensors, gradient_sizes),
    }
