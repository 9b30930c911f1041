"""Softmax attention among few tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

# Bytes of attention weights computed by one call: few enough for the caches, and enough to make up for the cost of a call.
CACHE_BYTES = 2 * 1024**2
# With more tokens, torch's own kernel is better, which does not keep the weights for the backward pass.
MOST_TOKENS = 1024


def is_supported(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> bool:
    """True if `attention` supports these arguments: [b, heads, n, d] on the CPU, no mask, no dropout."""
    return (
        query.dim() == 4
        and query.device.type == "cpu"
        and query.dtype == key.dtype == value.dtype
        and query.dtype in (torch.float32, torch.bfloat16)
        and query.shape == key.shape == value.shape
        and query.shape[2] <= MOST_TOKENS
        and attn_mask is None
        and dropout_p == 0.0
        and not is_causal
    )


def is_attend_supported(qkv: Tensor, heads: int) -> bool:
    """True if `attention` supports these arguments of `attend`: queries, keys and values [b, n, 3 c] on the CPU."""
    return (
        qkv.dim() == 3
        and qkv.device.type == "cpu"
        and qkv.dtype in (torch.float32, torch.bfloat16)
        and qkv.shape[1] <= MOST_TOKENS
        and qkv.shape[2] % (3 * heads) == 0
    )


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(q k^T scale) v of [b, heads, n, d] (Vaswani et al. 2017, arXiv:1706.03762, equation 1); see `is_supported`.

    Replaces torch.nn.functional.scaled_dot_product_attention and takes the same arguments; `scale` is 1/sqrt(d) by default.

    torch's kernel recomputes the weights in its backward pass, with matrix products that are too small to be fast for narrow heads. Here
    a few heads at a time stay in the cache, and their weights are kept, n^2 numbers per head in the dtype of `query`.
    """
    out: Tensor = _Attention.apply(query, key, value, query.shape[-1] ** -0.5 if scale is None else scale)
    return out


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        q, k, v = (_merge_heads(tensor) for tensor in (query * scale, key, value))  # [b heads, n, d]
        out = torch.empty(query.shape, dtype=query.dtype)
        saved = []
        for at in _cache_blocks(q):
            weights = torch.softmax(torch.bmm(q[at], k[at].mT), dim=-1)
            torch.bmm(weights, v[at], out=_merge_heads(out)[at])
            if any(ctx.needs_input_grad):  # type: ignore[attr-defined]
                saved.append(weights)
        ctx.save_for_backward(q, k, v, *saved)
        ctx.scale = scale  # type: ignore[attr-defined]
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *saved = ctx.saved_tensors
        do = _merge_heads(gradient)
        dq, dk, dv = torch.empty_like(q), torch.empty_like(q), torch.empty_like(q)
        for at, weights in zip(_cache_blocks(q), saved, strict=True):
            torch.bmm(weights.mT, do[at], out=dv[at])
            d_weights = torch.bmm(do[at], v[at].mT)
            d_scores = torch._softmax_backward_data(d_weights, weights, -1, q.dtype)
            torch.bmm(d_scores, k[at], out=dq[at])
            torch.bmm(d_scores.mT, q[at], out=dk[at])
        # q is already scaled, so dk is complete; dq must still be scaled.
        return (*(tensor.view(gradient.shape) for tensor in (dq.mul_(ctx.scale), dk, dv)), None)


def _merge_heads(tensor: Tensor) -> Tensor:
    """[b, heads, n, d] -> [b heads, n, d], contiguous."""
    return tensor.reshape(-1, *tensor.shape[2:]).contiguous()


def _cache_blocks(q: Tensor) -> list[slice]:
    """Slices of the heads of q [b heads, n, d] whose weights fit into the cache."""
    size = max(1, CACHE_BYTES // (q.shape[1] ** 2 * q.element_size()))
    return [slice(start, start + size) for start in range(0, len(q), size)]
