"""Evaluation: samples of the averaged weights, distances to the data with their cards, pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from torch import Tensor, nn

from workbench.errors import DistanceError, WeightsError
from workbench.evaluation import pictures
from workbench.evaluation.distances import Distances
from workbench.evaluation.drawing import draw_samples
from workbench.evaluation.reference import Reference
from workbench.faults import fault_point
from workbench.model import Parts
from workbench.progress import Progress, Stop, Stopped
from workbench.sampling import Generator, draw_labels

STRIP_IMAGES = 6
ANIMATED = 16
Labels = Callable[[range], Tensor | None]


def evaluate(parts: Parts, network: nn.Module, step: int, stop: Stop, *, final: bool = False) -> Iterator[Progress]:
    """Sample, measure and picture `network`; the last evaluation of a run also shows how its images come about.

    The images of all evaluations of a run start from the same noise, so that a grid can be watched becoming better. Each batch becomes
    features as soon as it is drawn; of the images only those that are shown are kept. A distance that cannot be computed is missing from the
    metrics, and the reason is a warning. When `stop` is requested, it ends within a move of the sampler or a batch of the extractor,
    without the numbers that are not complete.
    """
    with suppress(Stopped):
        yield from _evaluated(parts, network, step, stop, final=final)


def _evaluated(parts: Parts, network: nn.Module, step: int, stop: Stop, *, final: bool) -> Iterator[Progress]:
    clock = parts.compute.clock
    started = clock()
    fault_point("evaluation begun")
    recipe, slot = parts.recipe, parts.recipe.evaluation_sampler
    drawer = Generator.of(parts, network)
    reference = Reference.of(parts.train, recipe.evaluate.real, parts.cache, parts.device)
    distances: list[Distances] = []
    for each in recipe.evaluate.features:
        yield Progress("evaluating", step, what=f"{each.use} features of the data")
        try:
            distances.append(Distances(each.component, reference, stop))
        except (DistanceError, WeightsError) as error:
            yield Progress("evaluating", step, warnings=(str(error),))

    labels = partial(draw_labels, reference.labels() if recipe.train.condition else None, recipe.seed)
    drawing = clock()
    keep = max(recipe.evaluate.grid, recipe.evaluate.neighbours)
    samples, size = recipe.evaluate.samples, recipe.evaluate.batch_size
    for drawn in draw_samples(drawer, slot, samples, size, recipe.seed, labels, distances, keep, stop):
        pace = drawn.count / (clock() - drawing)
        left = (drawn.total - drawn.count) / pace
        yield Progress("evaluating", step, drawn.count, drawn.total, "sampling", images_per_second=pace, seconds_left=left)
        stop.check()

    shown = drawn.shown[: recipe.evaluate.grid]
    grid = pictures.grid(shown, max(1, round(len(shown) ** 0.5)))
    yield Progress("evaluating", step, pictures={"samples": grid}, what="pictures")
    for measure, features in zip(distances, drawn.features, strict=True):
        try:
            metrics, cards = measure(features, slot, drawer.evaluations, recipe.seed)
        except DistanceError as error:
            yield Progress("evaluating", step, warnings=(str(error),))
        else:
            yield Progress("evaluating", step, metrics=metrics, cards=cards, what="distances")
        stop.check()
    if final:
        yield _closing_pictures(parts, drawer, drawn.shown, labels, step, stop)
    told = {
        "eval/sampling_seconds": drawn.seconds,
        "eval/samples_per_second": drawn.count / drawn.seconds,
        "eval/nfe": float(drawer.evaluations),
        "eval/seconds": clock() - started,
    }
    yield Progress("evaluating", step, metrics=told, what="pictures")


def _closing_pictures(parts: Parts, drawer: Generator, samples: Tensor, labels: Labels, step: int, stop: Stop) -> Progress:
    # The recipe's own sampler: how the images come about is what it is about.
    index = range(ANIMATED)
    walk = drawer.states(parts.recipe.sampler, index, parts.recipe.seed, labels(index), stop)
    states = [(t, x.cpu()) for t, x in walk]
    shown = {
        "denoising": pictures.strip(states, STRIP_IMAGES),
        "noising": pictures.noising(parts),
        "sampler": pictures.grid(pictures.to_uint8(states[-1][1]), 4),
    }
    if parts.recipe.evaluate.neighbours:
        shown["neighbours"] = pictures.neighbours(samples[: parts.recipe.evaluate.neighbours], parts, stop=stop)
    return Progress("evaluating", step, pictures=shown, files={"denoising.gif": pictures.animation(states, 4)}, what="pictures")
