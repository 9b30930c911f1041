"""Warnings about settings that work with few images and are rarely intended."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral

from workbench.errors import BrokenComponent, WorkbenchError
from workbench.recipe.model import Recipe
from workbench.registry import plugin_call

FAR_FEWER = 8  # samples are far fewer than dimensions if so many times their number is less


def count_images(recipe: Recipe) -> int | None:
    """The largest possible number of training images, as the dataset counts them without loading; None if it does not.

    Raises DataError as loading does.
    """
    use = recipe.dataset.use
    with plugin_call("datasets", use, 'count_examples("train")'):
        count = recipe.dataset.component.count_examples("train")
    if count is None or isinstance(count, Integral):
        return count
    raise BrokenComponent(
        f"'{use}': count_examples() returned {type(count).__name__}, not a number or None (wb plugins check {use})"
    )


def size_warnings(recipe: Recipe, images: int | None) -> list[str]:
    """One line for each setting of a recipe that is large for `images`, the number of training images; None if it is unknown."""
    if images is None:
        return [*_dimensions(recipe, recipe.evaluate.real)]
    if images < 2 and recipe.evaluate.features:
        return [*_more_than(recipe, images), f"evaluate: distances need 2 real images and there is {images}, so none is measured"]
    return [*_more_than(recipe, images), *_dimensions(recipe, min(images, recipe.evaluate.real or images))]


def _more_than(recipe: Recipe, images: int) -> Iterator[str]:
    settings = {"train.batch_size": (recipe.train.batch_size, "a batch repeats images")}
    if recipe.evaluate.features and images > 1:
        settings["evaluate.real"] = recipe.evaluate.real or 0, "all of them are used"
        settings["evaluate.samples"] = recipe.evaluate.samples, "the real images limit the accuracy of distances"
    larger = [f"{key} = {number:,} ({effect})" for key, (number, effect) in settings.items() if number > images]
    if larger:
        yield f"dataset: {images:,} training image{'s' if images > 1 else ''}, fewer than {' and '.join(larger)}"


def _dimensions(recipe: Recipe, real: int | None) -> Iterator[str]:
    number = min(recipe.evaluate.samples, recipe.evaluate.samples if real is None else real)
    few = {use: dims for use, dims in _features(recipe) if FAR_FEWER * number < dims}
    if few:
        names = " and ".join(f"{dims:,} of '{use}'" for use, dims in few.items())
        yield (
            f"evaluate: {number:,} images (the smaller of evaluate.samples and real images) are far fewer than the dimensions ({names}): "
            f"a Fréchet distance is then mostly bias, compare kernel distances instead"
        )


def _features(recipe: Recipe) -> Iterator[tuple[str, int]]:
    for slot in recipe.evaluate.features:
        try:
            with plugin_call("features", slot.use, "card()"):
                yield slot.use, slot.component.card().dims
        except WorkbenchError:  # missing weights are reported where they are needed
            continue
