"""Lists of values on the command line of `wb eval`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import workbench as wb
from workbench.cli.arguments import Values
from workbench.errors import Problem, RecipeError


def split_names(texts: Values) -> list[str]:
    """The names in "a,b" texts."""
    return [name.strip() for text in texts or [] for name in text.split(",") if name.strip()]


def evaluation_overrides(batch_size: int | None) -> list[str]:
    """The recipe fields that options of `wb eval` override."""
    return [] if batch_size is None else [f"evaluate.batch_size={batch_size}"]


def parse_axes(plain: Mapping[str, Values], vary: Sequence[str], steps: Values) -> list[wb.recipe.AxisSettings]:
    """The fields to vary and their values; steps last, so that the combinations of a variant are neighbours.

    `plain`: texts of the options --spacing, --guidance and --eta by field. RecipeError for a --vary that is not FIELD=VALUES.
    """
    texts_of: dict[tuple[str, str], list[str]] = {(name, f"--{name}"): texts for name, texts in plain.items() if texts}
    for text in vary:
        field, equals, values = text.partition("=")
        if not equals or not field or not values:
            message = f"expected FIELD=VALUES such as ddpm.variance=beta,beta_tilde, got {text!r:.80}"
            raise RecipeError([Problem("--vary", None, "", message)])
        texts_of.setdefault((field.strip(), "--vary"), []).append(values)
    if steps:
        texts_of["steps", "--steps"] = steps
    return [wb.recipe.AxisSettings.of(field, texts, option) for (field, option), texts in texts_of.items()]


def parse_features(texts: Sequence[str]) -> tuple[wb.recipe.Slot[wb.interfaces.FeatureExtractor], ...]:
    """The feature extractors of --features, once each."""
    names = dict.fromkeys(split_names(list(texts)))
    return tuple(wb.recipe.slot_of("features", {"use": name}, {"use": "--features"}) for name in names)
