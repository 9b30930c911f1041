"""The checks for samplers: declarations, determinism, and no side effects."""

from __future__ import annotations

import copy
import itertools
import pickle
import random
from typing import Any

import torch
from torch import Tensor

from workbench.diffusion import TimeGrid
from workbench.interfaces import Sampler
from workbench.random import KeyedNoise, Stream
from workbench.testing.checking import check_of, require
from workbench.testing.drawing import MEAN, STD, sample_with
from workbench.testing.oracles import GaussianOracle
from workbench.testing.reference import QuarterCircle
from workbench.testing.walking import count_nfe, walk


def _keyed(images: int, seed: int = 0) -> KeyedNoise:
    return KeyedNoise(Stream(seed, "check"), 1, torch.arange(images))


@check_of("samplers")
def nfe(sampler: Sampler[Any]) -> None:
    """The number of network evaluations (NFE) depends on the time grid alone, not on the data, so that it is known in advance."""
    for moves in (1, 2, 3, 10):
        data = [(MEAN, STD), (0.0, 1.0), (-3.0, 0.1)]
        counts = {count_nfe(sampler, moves, GaussianOracle(mean, std, QuarterCircle())) for mean, std in data}
        require(
            len(counts) == 1,
            f"{moves} moves took {' or '.join(map(str, sorted(counts)))} network evaluations, depending on the data",
        )


@check_of("samplers")
def determinism(sampler: Sampler[Any]) -> None:
    """The same start and the same noise give the same result, bit for bit."""
    first, second = (sample_with(sampler, QuarterCircle(), TimeGrid.uniform(9), 3) for _ in range(2))
    require(torch.equal(first, second), f"two equal calls differ by up to {float((first - second).abs().max()):.3g}")


@check_of("samplers")
def batch_invariance(sampler: Sampler[Any]) -> None:
    """An image is the same, bit for bit, in any batch."""
    for dtype in (torch.float32, torch.float64):
        whole = sample_with(sampler, QuarterCircle(), TimeGrid.uniform(7), 9, dtype)
        for chosen in ([0], [8], [2, 5, 6]):
            part = sample_with(sampler, QuarterCircle(), TimeGrid.uniform(7), chosen, dtype)
            require(
                torch.equal(part, whole[chosen]), f"images {chosen} alone differ from the same images in a batch of 9 ({dtype})"
            )


@check_of("samplers")
def given_noise_only(sampler: Sampler[Any]) -> None:
    """Randomness comes from the given source: no global generator is used."""
    with torch.random.fork_rng(devices=[]):
        results, before = [], _global_states()
        for seed in (1, 2):
            torch.manual_seed(seed)
            state = torch.random.get_rng_state()
            results.append(sample_with(sampler, QuarterCircle(), TimeGrid.uniform(5), 3))
            unused = torch.equal(state, torch.random.get_rng_state())
            require(unused, "torch's global generator was used: take noise from `noise.normal(x)`")
        require(torch.equal(*results), "the result depends on torch.manual_seed: take noise from `noise.normal(x)`")
        require(_global_states() == before, "Python's or numpy's global generator was used: take noise from `noise.normal(x)`")


def _global_states() -> bytes:
    import numpy as np

    return pickle.dumps((random.getstate(), np.random.get_state()))


@check_of("samplers")
def input_unchanged(sampler: Sampler[Any]) -> None:
    """x, the posterior mean and the passed state are not changed in place, and nothing is stored on the sampler."""
    schedule, times = QuarterCircle(), TimeGrid.uniform(6).times
    results: list[tuple[Tensor, Tensor]] = []

    class RecordingOracle(GaussianOracle):
        def __call__(self, x: Tensor, t: float) -> Tensor:
            mean = super().__call__(x, t)
            results.append((mean, mean.clone()))
            return mean

    x = torch.linspace(-2.0, 2.0, 6, dtype=torch.float64).reshape(3, 2)
    attributes, state = repr(vars(sampler)), None
    for t, s in itertools.pairwise(times):
        before, state_before = x.clone(), copy.deepcopy(state)
        after, new = sampler.step(RecordingOracle(MEAN, STD, schedule), x, t, s, state=state, noise=_keyed(3))
        require(torch.equal(x, before), f"x was changed in place in the step from t = {t:.2f} to {s:.2f}")
        require(_is_equal(state, state_before), f"the passed state was changed in place in the step from t = {t:.2f} to {s:.2f}")
        x, state = after, new
    require(all(torch.equal(mean, copied) for mean, copied in results), "a result of the posterior mean was changed in place")
    require(repr(vars(sampler)) == attributes, "an attribute of the sampler changed: pass state and return it instead")


def _is_equal(a: Any, b: Any) -> bool:
    """True if two states hold equal tensors and values; opaque objects count as equal."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_is_equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_is_equal(a[key], b[key]) for key in a)
    if isinstance(a, (int, float, str, bool, type(None))):
        return bool(a == b)
    return _is_equal(vars(a), vars(b)) if hasattr(a, "__dict__") else True


@check_of("samplers")
def state_is_passed(sampler: Sampler[Any]) -> None:
    """With state None it starts anew: two paths can be sampled at the same time, and a move up discards the state."""
    schedule = QuarterCircle()
    oracle, x = GaussianOracle(MEAN, STD, schedule), torch.linspace(-2.0, 2.0, 4, dtype=torch.float64)[:, None]
    fresh = copy.deepcopy(sampler)
    grid = TimeGrid.of([0.9, 0.6, 0.4, 0.2])
    expected = walk(fresh, oracle, grid, x, _keyed(4))
    walk(sampler, oracle, TimeGrid.of([1.0, 0.7, 0.3, 0.1]), 2.0 * x + 1.0, _keyed(4, seed=1))  # another grid in between
    require(
        torch.equal(walk(sampler, oracle, grid, x, _keyed(4)), expected),
        "a grid sampled before changes the result: store nothing on self",
    )


CONDUCT_CHECKS = (nfe, determinism, batch_invariance, given_noise_only, input_unchanged, state_is_passed)
