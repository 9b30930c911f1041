"""Dispatch calls of torch's functions to faster implementations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from workbench.compute.fast import attention, group_norm, narrow_attention, norm_silu
from workbench.compute.fast.choices import COMPILED, PLAIN, Choices, Implementations
from workbench.compute.fast.kernels import Kernels
from workbench.diffusion import attend, fork_group_norm_silu, group_norm_silu
from workbench.diffusion.attention import reference_attention
from workbench.diffusion.normalization import reference_fork, reference_group_norm_silu

NORM_AND_SILU: Implementations = {
    "fast": partial(reference_group_norm_silu, group_norm.group_norm),
    "fast backward": partial(reference_group_norm_silu, group_norm.group_norm_with_torch_forward),
}
# Function that networks call -> the operation's name, a test for supported arguments, and our implementations.
REPLACEMENTS: dict[Callable[..., Any], tuple[str, Callable[..., bool], Implementations]] = {
    F.group_norm: (
        "group norm",
        group_norm.is_supported,
        {"fast": group_norm.group_norm, "fast backward": group_norm.group_norm_with_torch_forward},
    ),
    F.scaled_dot_product_attention: ("attention", attention.is_supported, {"fast": attention.attention}),
    attend: ("attention", attention.is_attend_supported, {"fast": partial(reference_attention, attention.attention)}),
    group_norm_silu: ("group norm and SiLU", norm_silu.is_supported, NORM_AND_SILU),
    fork_group_norm_silu: (
        "group norm and SiLU, forked",
        norm_silu.is_supported,
        {name: partial(reference_fork, norm) for name, norm in NORM_AND_SILU.items()},
    ),
}


class FastPath(TorchFunctionMode):
    """A context in which group norm and attention are computed by the implementation that `choices` found fastest for their shape.

    It replaces the functions that a network calls, not its modules. So it works with every network, third-party ones included, and
    changes neither weights nor their names. Gradients use the chosen implementation's backward pass even after the context has ended.
    """

    def __init__(self, choices: Choices, kernels: Kernels | None = None) -> None:
        super().__init__()
        self._choices, self._kernels = choices, kernels or Kernels(None)

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func` or a faster implementation of it."""
        kwargs = kwargs or {}
        replacement = REPLACEMENTS.get(func)
        if replacement is None:
            return func(*args, **kwargs)
        name, is_supported, implementations = replacement
        cast = _cast_like_autocast(func, args)
        if not is_supported(*cast, **kwargs):
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            candidates = {PLAIN: func, **implementations, **self._compiled_implementation(func, cast, kwargs)}
            return self._choices.fastest(name, candidates, cast, kwargs)(*cast, **kwargs)

    def _compiled_implementation(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Implementations:
        function: Callable[..., Any]
        if func in (group_norm_silu, F.group_norm):
            family, function = norm_silu.family(args[0].dtype, silu=func is group_norm_silu), norm_silu.norm_silu
        elif func is fork_group_norm_silu:
            family, function = norm_silu.family(args[0].dtype), norm_silu.fork_norm_silu
        elif func is F.scaled_dot_product_attention and narrow_attention.is_supported(*args, **kwargs):
            family, function = narrow_attention.family(args[0].shape[3], args[0].dtype), narrow_attention.narrow_attention
        elif func is attend and narrow_attention.is_attend_supported(*args, **kwargs):
            width = args[0].shape[2] // 3 // args[1]
            family, function = narrow_attention.family(width, args[0].dtype), narrow_attention.narrow_attend
        else:
            return {}
        kernels = self._kernels.get(family)
        return {} if kernels is None else {COMPILED: partial(function, kernels)}


def _cast_like_autocast(func: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Cast the arguments as autocast does: it runs attention in the lower precision, and group norm in that of its input."""
    if func not in (F.scaled_dot_product_attention, attend) or not torch.is_autocast_enabled("cpu"):
        return args
    dtype = torch.get_autocast_dtype("cpu")
    return tuple(
        argument.to(dtype) if isinstance(argument, Tensor) and argument.dtype == torch.float32 else argument for argument in args
    )
