"""Attention among the pixels of each image; dispatches to faster kernels during a run."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary


def attend(qkv: Tensor, heads: int) -> Tensor:
    """Softmax attention among the n tokens of each image: queries, keys and values [b, n, 3 c], concatenated -> [b, n, c].

    Vaswani et al. 2017 (arXiv:1706.03762), equation 1, in every head. `heads` must divide c.
    """
    if has_torch_function_unary(qkv):
        out: Tensor = handle_torch_function(attend, (qkv,), qkv, heads)
        return out
    return reference_attention(F.scaled_dot_product_attention, qkv, heads)


def reference_attention(attention: Callable[[Tensor, Tensor, Tensor], Tensor], qkv: Tensor, heads: int) -> Tensor:
    """`attend` with the given `attention`, called with queries, keys and values [b, heads, n, c/heads]."""
    b, n, width = qkv.shape
    q, k, v = qkv.reshape(b, n, 3, heads, width // 3 // heads).permute(2, 0, 3, 1, 4)
    return attention(q, k, v).transpose(1, 2).reshape(b, n, width // 3)
