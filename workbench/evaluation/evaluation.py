"""Evaluate a network: samples of the averaged weights, distances to the data with their cards, grids of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from torch import Tensor, nn

from workbench.errors import DistanceError, WeightsError
from workbench.evaluation import pictures
from workbench.evaluation.distances import Distances
from workbench.evaluation.reference import Reference
from workbench.evaluation.samples import SampleSet, draw_samples
from workbench.faults import fault_point
from workbench.model import Parts
from workbench.progress import Progress, Stop, Stopped
from workbench.sampling import Generator, draw_labels

STRIP_IMAGES = 6
ANIMATED = 16
Labels = Callable[[range], Tensor | None]


def evaluate(parts: Parts, network: nn.Module, step: int, stop: Stop, *, final: bool = False) -> Iterator[Progress]:
    """Draw samples of `network` and measure them; the `final` evaluation of a run also shows how its images form.

    The images of all evaluations of a run start from the same noise, so that grids of different steps are comparable. Each batch is turned into
    features as soon as it is drawn; of the images only those that are shown are kept. A distance that cannot be computed is missing from the
    metrics, and the reason is a warning. When `stop` is requested, the evaluation ends within a move of the sampler or a batch of the
    extractor, without the numbers that are not complete.
    """
    with suppress(Stopped):
        yield from _evaluate(parts, network, step, stop, final=final)


def _evaluate(parts: Parts, network: nn.Module, step: int, stop: Stop, *, final: bool) -> Iterator[Progress]:
    clock = parts.compute.clock
    started = clock()
    fault_point("evaluation begun")
    recipe, generator = parts.recipe, Generator.of(parts, network)
    reference = Reference.of(parts.train, recipe.evaluate.real, parts.cache, parts.device)
    distances: list[Distances] = []
    for slot in recipe.evaluate.features:
        yield Progress("evaluating", step, what=f"{slot.use} features of the data")
        try:
            distances.append(Distances(slot.component, reference, stop))
        except (DistanceError, WeightsError) as error:
            yield Progress("evaluating", step, warnings=(str(error),))

    labels = partial(draw_labels, reference.labels() if recipe.train.condition else None, recipe.seed)
    samples = SampleSet(recipe.evaluate.samples, max(recipe.evaluate.grid, recipe.evaluate.neighbours))
    yield from _draw(parts, generator, samples, labels, distances, step, stop)

    shown = samples.images[: recipe.evaluate.grid]
    grid = pictures.grid(shown, max(1, round(len(shown) ** 0.5)))
    yield Progress("evaluating", step, pictures={"samples": grid}, what="pictures")
    for measure, features in zip(distances, samples.features, strict=True):
        try:
            metrics, cards = measure(features, recipe.evaluation_sampler, samples.nfe, recipe.seed)
        except DistanceError as error:
            yield Progress("evaluating", step, warnings=(str(error),))
        else:
            yield Progress("evaluating", step, metrics=metrics, cards=cards, what="distances")
        stop.check()
    if final:
        yield _final_images(parts, generator, samples.images, labels, step, stop)
    numbers = {
        "eval/sampling_seconds": samples.seconds,
        "eval/samples_per_second": samples.count / samples.seconds,
        "eval/nfe": float(samples.nfe),
        "eval/seconds": clock() - started,
    }
    yield Progress("evaluating", step, metrics=numbers, what="pictures")


def _draw(
    parts: Parts, generator: Generator, samples: SampleSet, labels: Labels, distances: list[Distances], step: int, stop: Stop
) -> Iterator[Progress]:
    recipe, clock = parts.recipe, parts.compute.clock
    started = clock()
    for batch in draw_samples(
        generator, recipe.evaluation_sampler, samples.total, recipe.evaluate.batch_size, recipe.seed, labels, distances, stop
    ):
        samples.add(batch)
        pace = samples.count / (clock() - started)
        left = (samples.total - samples.count) / pace
        yield Progress("evaluating", step, samples.count, samples.total, "sampling", images_per_second=pace, seconds_left=left)
        stop.check()


def _final_images(parts: Parts, generator: Generator, samples: Tensor, labels: Labels, step: int, stop: Stop) -> Progress:
    # With the recipe's own sampler, also where evaluations draw with another one.
    index = range(ANIMATED)
    walk = generator.states(parts.recipe.sampler, index, parts.recipe.seed, labels(index), stop)
    states = [(t, x.cpu()) for t, x in walk]
    images = {
        "denoising": pictures.strip(states, STRIP_IMAGES),
        "noising": pictures.noising(parts),
        "sampler": pictures.grid(pictures.to_uint8(states[-1][1]), 4),
    }
    if parts.recipe.evaluate.neighbours:
        images["neighbours"] = pictures.neighbours(samples[: parts.recipe.evaluate.neighbours], parts, stop=stop)
    return Progress("evaluating", step, pictures=images, files={"denoising.gif": pictures.animation(states, 4)}, what="pictures")
