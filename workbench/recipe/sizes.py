"""Whether there are enough images for what a recipe asks: what works with few of them and is rarely meant."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral

from workbench.errors import BrokenComponent, WorkbenchError
from workbench.recipe.model import Recipe
from workbench.registry import plugin_call

FAR_FEWER = 8  # samples are far fewer than dimensions below this part of them


def count_images(recipe: Recipe) -> int | None:
    """The number of training images at most, as the dataset counts them without loading; None if it does not.

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
    """One line for each way in which `images`, the number of training images, is small for a recipe; None if it is not known."""
    if images is None:
        return [*_dimensions(recipe, recipe.evaluate.real)]
    if images < 2 and recipe.evaluate.features:
        return [*_more_than(recipe, images), f"evaluate: distances need 2 real images and there is {images}, so none is measured"]
    return [*_more_than(recipe, images), *_dimensions(recipe, min(images, recipe.evaluate.real or images))]


def _more_than(recipe: Recipe, images: int) -> Iterator[str]:
    wanted = {"train.batch_size": (recipe.train.batch_size, "a batch repeats images")}
    if recipe.evaluate.features and images > 1:
        wanted["evaluate.real"] = recipe.evaluate.real or 0, "all of them are used"
        wanted["evaluate.samples"] = recipe.evaluate.samples, "the real images limit how well distances are known"
    asked_for = [f"{key} = {number:,} ({what})" for key, (number, what) in wanted.items() if number > images]
    if asked_for:
        yield f"dataset: {images:,} training image{'s' if images > 1 else ''}, fewer than {' and '.join(asked_for)}"


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
        except WorkbenchError:  # weights that are missing are reported where they are needed
            continue
