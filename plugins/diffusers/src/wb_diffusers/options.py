"""Checks of a scheduler's name and options, with suggestions."""

from __future__ import annotations

import ast
import difflib
import functools
import importlib.util
from collections.abc import Mapping, Set as AbstractSet
from pathlib import Path
from typing import Any

from wb_diffusers.catalogue import BRIDGED, REFUSED

# Constructor arguments whose meaning the recipe's schedule, time grid and parameterization decide here.
DECIDED_ELSEWHERE = frozenset({
    "base_image_seq_len", "base_shift", "beta_end", "beta_schedule", "beta_start", "disable_corrector", "final_sigmas_type",
    "flow_shift", "interpolation_type", "invert_sigmas", "lambda_min_clipped", "max_image_seq_len", "max_shift",
    "num_train_timesteps", "prediction_type", "rescale_betas_zero_snr", "rho", "set_alpha_to_one", "shift", "shift_terminal",
    "sigma_data", "sigma_max", "sigma_min", "sigma_schedule", "skip_prk_steps", "snr_shift_scale", "solver_p", "steps_offset",
    "tau_func", "time_shift_type", "timestep_spacing", "timestep_type", "trained_betas", "use_beta_sigmas",
    "use_dynamic_shifting", "use_exponential_sigmas", "use_flow_sigmas", "use_karras_sigmas", "use_lu_lambdas",
})  # fmt: skip


def check_name(scheduler: str) -> None:
    """Raise ValueError if the scheduler is not bridged, with the reason or a suggestion."""
    if scheduler in BRIDGED:
        return
    if scheduler in REFUSED:
        raise ValueError(f"'{scheduler}' cannot be bridged: {REFUSED[scheduler]}. Bridged: {', '.join(sorted(BRIDGED))}")
    close = difflib.get_close_matches(scheduler, [*BRIDGED, *REFUSED], n=1)
    guess = f" (did you mean '{close[0]}'?)" if close else ""
    raise ValueError(f"diffusers 0.42 has no scheduler '{scheduler}'{guess}. Bridged: {', '.join(sorted(BRIDGED))}")


@functools.cache
def constructor_arguments(scheduler: str) -> frozenset[str]:
    """The arguments of the scheduler's constructor, read from its source: importing diffusers takes seconds, and recipes are checked often.

    ValueError if the source cannot be found.
    """
    package = importlib.util.find_spec("diffusers")
    folders = [] if package is None else package.submodule_search_locations or []
    for file in (file for folder in folders for file in Path(folder, "schedulers").glob("scheduling_*.py")):
        text = file.read_text(encoding="utf-8")
        if f"class {scheduler}(" in text:
            return _arguments(ast.parse(text), scheduler)
    raise ValueError(f"the source of '{scheduler}' is not at its place in diffusers 0.42, so its options cannot be checked")


def _arguments(source: ast.Module, scheduler: str) -> frozenset[str]:
    (cls,) = (node for node in source.body if isinstance(node, ast.ClassDef) and node.name == scheduler)
    (init,) = (node for node in cls.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    return frozenset(argument.arg for argument in (*init.args.args, *init.args.kwonlyargs)) - {"self"}


def check_options(scheduler: str, options: Mapping[str, Any], offered: AbstractSet[str]) -> None:
    """Raise ValueError if an option is not among the constructor's arguments `offered`, or is decided elsewhere in the recipe."""
    allowed = {*offered - DECIDED_ELSEWHERE - set(BRIDGED[scheduler].decided), *BRIDGED[scheduler].step_options}
    for name, value in options.items():
        if name in DECIDED_ELSEWHERE & offered or name in BRIDGED[scheduler].decided:
            raise ValueError(
                f"options.{name} is decided by the recipe's schedule, time grid and posterior mean; "
                f"'{scheduler}' takes {', '.join(sorted(allowed)) or 'no options'}"
            )
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=1)
            guess = f" (did you mean '{close[0]}'?)" if close else ""
            raise ValueError(
                f"'{scheduler}' has no option '{name}'{guess}. It takes {', '.join(sorted(allowed)) or 'no options'}"
            )
        if name == "variance_type" and str(value).startswith("learned"):
            raise ValueError(
                f"options.variance_type = {value!r} needs a network that predicts variances; use 'fixed_small' or 'fixed_large'"
            )
