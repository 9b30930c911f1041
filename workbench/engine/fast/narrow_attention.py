"""Attention of narrow heads in three compiled kernels, which hold no weights: products of so few channels cost less than the way to memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from workbench.engine.fast import attention
from workbench.engine.fast.kernels import Blueprint, Kernel

__all__ = ["blueprints", "family", "narrow_attention", "suits"]

# Of more channels than these, matrix products are faster.
WIDEST = 8
# Tokens lie in memory in blocks of so many, the channels of a block side by side: a vector register of a processor with AVX-512.
LANES = 16
# exp(x) is taken as a polynomial of x / 2^8, squared 8 times: torch's own calls a function, and puts away all registers for it. Its relative
# error is x^4 / 24 / 2^24, 2e-5 at x = -10 and 1e-4 at -14, where weights are a millionth of the greatest; and the rounding of 8 squares, 2e-5.
SQUARES = 8
SMALLEST = -60.0  # exp of less is as good as 0, and no denormal number, which are slow


def suits(*args: Any, **kwargs: Any) -> bool:
    """Whether `narrow_attention` computes a case of torch.nn.functional.scaled_dot_product_attention."""
    return attention.suits(*args, **kwargs) and args[0].shape[3] <= WIDEST and args[0].shape[2] % LANES == 0


def family(width: int) -> str:
    """The name of the kernels for heads of `width` channels."""
    return f"attention_{width}"


def narrow_attention(
    kernels: Mapping[str, Kernel], query: Tensor, key: Tensor, value: Tensor, *, scale: float | None = None, **_: Any
) -> Tensor:
    """softmax(q k^T scale) v of [b, heads, n, d], as `attention.attention`, by the kernels of `family`."""
    out: Tensor = _Attention.apply(query, key, value, query.shape[-1] ** -0.5 if scale is None else scale, kernels)
    return out


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, query: Tensor, key: Tensor, value: Tensor, scale: float, kernels: Mapping[str, Kernel]
    ) -> Tensor:
        q, k, v = (_channels(each) for each in (query, key, value))
        q *= scale / 2**SQUARES
        (highest,) = kernels["highest"](q, k)
        out, total = kernels["forward"](q, k, v, highest)
        out /= total[:, :, None]
        lse = highest.add_(total.log_(), alpha=2**-SQUARES)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.scale, ctx.kernels, ctx.dtype = scale, kernels, query.dtype  # type: ignore[attr-defined]
        return _tokens(out, query)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out, lse = ctx.saved_tensors
        do = _channels(gradient)
        delta = (do * out).sum(2)  # [b heads, n/16, 16]
        (dq,) = ctx.kernels["queries"](q, k, v, do, lse, delta)
        dk, dv = ctx.kernels["keys"](q, k, v, do, lse, delta)
        # q holds scale / 2^8, dk only needs the scale, and dq is still owed it.
        of_all = (dq.mul_(ctx.scale), dk.mul_(2**SQUARES), dv)
        return (*(_tokens(each, gradient) for each in of_all), None, None)


def _highest(q: Tensor, k: Tensor) -> tuple[Tensor, ...]:
    """The greatest score of every query. In a kernel with what follows, torch would write all scores to memory."""
    return (_products(q, k).amax((-2, -1)),)


def _forward(q: Tensor, k: Tensor, v: Tensor, highest: Tensor) -> tuple[Tensor, ...]:
    """exp(2^8 (q k^T - highest)) v, and the sums of the exponentials."""
    weights = _exp(_products(q, k) - highest[..., None, None])
    return _sums(weights, v), weights.sum((-2, -1))


def _queries(q: Tensor, k: Tensor, v: Tensor, do: Tensor, lse: Tensor, delta: Tensor) -> tuple[Tensor, ...]:
    """The gradient of the queries but for the scale; the weights are computed again (Dao et al. 2022, arXiv:2205.14135, B.4)."""
    weights = _exp(_products(q, k) - lse[..., None, None])
    return (_sums(weights * (_products(do, v) - delta[..., None, None]), k),)


def _keys(q: Tensor, k: Tensor, v: Tensor, do: Tensor, lse: Tensor, delta: Tensor) -> tuple[Tensor, ...]:
    """The gradients of the keys, as if q were not scaled, and of the values."""
    weights = _exp(_products(k, q) - lse[:, None, None])
    return _sums(weights * (_products(v, do) - delta[:, None, None]), q), _sums(weights, do)


def _products(a: Tensor, b: Tensor) -> Tensor:
    """[h, n, d, 16], [h, m, d, 16] -> [h, n, 16, m, 16], written out: what follows is computed in the same pass."""
    products = a[:, :, 0, :, None, None] * b[:, None, None, :, 0]
    for channel in range(1, a.shape[2]):
        products = products + a[:, :, channel, :, None, None] * b[:, None, None, :, channel]
    return products


def _sums(weights: Tensor, b: Tensor) -> Tensor:
    """[h, n, 16, m, 16], [h, m, d, 16] -> [h, n, d, 16]."""
    return torch.stack([(weights * b[:, None, None, :, channel]).sum((-2, -1)) for channel in range(b.shape[2])], 2)


def _exp(x: Tensor) -> Tensor:
    """exp(2^8 x) of x <= 0."""
    x = x.clamp(min=SMALLEST / 2**SQUARES)
    power = ((x * (1.0 / 6.0) + 0.5) * x + 1.0) * x + 1.0
    # Not `power * power` in a loop: torch's compiler would write out the polynomial for each of 2^8 factors.
    return (power**16) ** (2**SQUARES // 16)


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


def _tokens(blocks: Tensor, like: Tensor) -> Tensor:
    """[b heads, n/16, d, 16] -> [b, heads, n, d], in memory as [b, n, heads, d], which is how networks go on with it."""
    b, heads, n, d = like.shape
    out = torch.empty(b, n // LANES, LANES, heads, d, dtype=like.dtype)
    out.copy_(blocks.view(b, heads, n // LANES, d, LANES).permute(0, 2, 4, 1, 3))
    return out.view(b, n, heads, d).transpose(1, 2)
