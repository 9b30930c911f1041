"""Softmax attention among few tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

# Bytes of weights at a time: few enough for the caches, enough for one call to be worth it ...
CACHED = 2 * 1024**2
# ... and of more tokens than these the weights are better not kept for the backward pass: that is what torch's own kernel is for.
TOKENS = 1024


def suits(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> bool:
    """Whether `attention` computes this case: [b, heads, n, d] on the host, no mask, no dropout."""
    return (
        query.dim() == 4
        and query.device.type == "cpu"
        and query.dtype == key.dtype == value.dtype
        and query.dtype in (torch.float32, torch.bfloat16)
        and query.shape == key.shape == value.shape
        and query.shape[2] <= TOKENS
        and attn_mask is None
        and dropout_p == 0.0
        and not is_causal
    )


def suits_attend(qkv: Tensor, heads: int) -> bool:
    """Whether `attention` computes this case of `attend`: queries, keys and values [b, n, 3 c] on the host."""
    return (
        qkv.dim() == 3
        and qkv.device.type == "cpu"
        and qkv.dtype in (torch.float32, torch.bfloat16)
        and qkv.shape[1] <= TOKENS
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
    """softmax(q k^T scale) v of [b, heads, n, d] (Vaswani et al. 2017, arXiv:1706.03762, equation 1), where it `suits`.

    Called like torch.nn.functional.scaled_dot_product_attention, whose place it takes; `scale` is 1/sqrt(d) by default.

    torch's kernel computes the weights again in its backward pass, with matrix products too small to be fast where heads are narrow. Here
    a few heads at a time stay in the cache, and their weights are kept, n^2 numbers per head in the dtype of `query`.
    """
    out: Tensor = _Attention.apply(query, key, value, query.shape[-1] ** -0.5 if scale is None else scale)
    return out


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        q, k, v = (_heads(each) for each in (query * scale, key, value))  # [b heads, n, d]
        out = torch.empty(query.shape, dtype=query.dtype)
        kept = []
        for at in _blocks(q):
            weights = torch.softmax(torch.bmm(q[at], k[at].mT), dim=-1)
            torch.bmm(weights, v[at], out=_heads(out)[at])
            if any(ctx.needs_input_grad):  # type: ignore[attr-defined]
                kept.append(weights)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.scale = scale  # type: ignore[attr-defined]
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        do = _heads(gradient)
        dq, dk, dv = torch.empty_like(q), torch.empty_like(q), torch.empty_like(q)
        for at, weights in zip(_blocks(q), kept, strict=True):
            torch.bmm(weights.mT, do[at], out=dv[at])
            of_weights = torch.bmm(do[at], v[at].mT)
            of_scores = torch._softmax_backward_data(of_weights, weights, -1, q.dtype)
            torch.bmm(of_scores, k[at], out=dq[at])
            torch.bmm(of_scores.mT, q[at], out=dk[at])
        # q holds the scale already, which is right for dk; dq is still owed it.
        return (*(each.view(gradient.shape) for each in (dq.mul_(ctx.scale), dk, dv)), None)


def _heads(each: Tensor) -> Tensor:
    """[b, heads, n, d] -> [b heads, n, d], contiguous."""
    return each.reshape(-1, *each.shape[2:]).contiguous()


def _blocks(q: Tensor) -> list[slice]:
    """Slices of the heads q [b heads, n, d] whose weights fit into the cache."""
    at_once = max(1, CACHED // (q.shape[1] ** 2 * q.element_size()))
    return [slice(start, start + at_once) for start in range(0, len(q), at_once)]
