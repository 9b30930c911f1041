"""Which calls of torch's functions take the fast path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from workbench.compute.fast import attention, group_norm, narrow_attention, norm_silu
from workbench.compute.fast.choices import COMPILED, PLAIN, Choices, Ways
from workbench.compute.fast.kernels import Kernels
from workbench.diffusion import attend, fork_group_norm_silu, group_norm_silu
from workbench.diffusion.attention import reference_attention
from workbench.diffusion.normalization import reference_fork, reference_group_norm_silu

NORM_AND_SILU: Ways = {
    "fast": partial(reference_group_norm_silu, group_norm.group_norm),
    "fast backward": partial(reference_group_norm_silu, group_norm.group_norm_with_torchs_forward),
}
# What torch calls it -> its name for people, whether our ways compute a case, and what they are.
REPLACED: dict[Callable[..., Any], tuple[str, Callable[..., bool], Ways]] = {
    F.group_norm: (
        "group norm",
        group_norm.suits,
        {"fast": group_norm.group_norm, "fast backward": group_norm.group_norm_with_torchs_forward},
    ),
    F.scaled_dot_product_attention: ("attention", attention.suits, {"fast": attention.attention}),
    attend: ("attention", attention.suits_attend, {"fast": partial(reference_attention, attention.attention)}),
    group_norm_silu: ("group norm and SiLU", norm_silu.suits, NORM_AND_SILU),
    fork_group_norm_silu: (
        "group norm and SiLU, forked",
        norm_silu.suits,
        {name: partial(reference_fork, way) for name, way in NORM_AND_SILU.items()},
    ),
}


class FastPath(TorchFunctionMode):
    """While entered, calls of group norm and attention go the way that `choices` found faster for their shape.

    It works on the functions a network calls, not on its modules: so it serves every network, ours and strangers', and neither weights nor
    names change. Gradients flow through our own backward passes even after it was left.
    """

    def __init__(self, choices: Choices, kernels: Kernels | None = None) -> None:
        super().__init__()
        self._choices, self._kernels = choices, kernels or Kernels(None)

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func`, or what is faster."""
        kwargs = kwargs or {}
        found = REPLACED.get(func)
        if found is None:
            return func(*args, **kwargs)
        name, suits, ways = found
        cast = _as_autocast_would(func, args)
        if not suits(*cast, **kwargs):
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            every = {PLAIN: func, **ways, **self._compiled(func, cast, kwargs)}
            return self._choices.fastest(name, every, cast, kwargs)(*cast, **kwargs)

    def _compiled(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Ways:
        way: Callable[..., Any]
        if func in (group_norm_silu, F.group_norm):
            family, way = norm_silu.family(args[0].dtype, silu=func is group_norm_silu), norm_silu.norm_silu
        elif func is fork_group_norm_silu:
            family, way = norm_silu.family(args[0].dtype), norm_silu.fork_norm_silu
        elif func is F.scaled_dot_product_attention and narrow_attention.suits(*args, **kwargs):
            family, way = narrow_attention.family(args[0].shape[3], args[0].dtype), narrow_attention.narrow_attention
        elif func is attend and narrow_attention.suits_attend(*args, **kwargs):
            width = args[0].shape[2] // 3 // args[1]
            family, way = narrow_attention.family(width, args[0].dtype), narrow_attention.narrow_attend
        else:
            return {}
        kernels = self._kernels.get(family)
        return {} if kernels is None else {COMPILED: partial(way, kernels)}


def _as_autocast_would(func: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Attention is on autocast's list of what runs in the lower precision; group norm is not, and runs in its input's."""
    if func not in (F.scaled_dot_product_attention, attend) or not torch.is_autocast_enabled("cpu"):
        return args
    dtype = torch.get_autocast_dtype("cpu")
    return tuple(each.to(dtype) if isinstance(each, Tensor) and each.dtype == torch.float32 else each for each in args)
