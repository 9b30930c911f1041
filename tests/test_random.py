"""Randomness is a function of seed, domain and coordinates."""

import pytest
import torch

from workbench.random import KeyedNoise, Stream, philox

# Random123's known answers for philox4x32-10: counter, key, result.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_philox_gives_the_published_answers(counter, key, result):
    words = philox([torch.tensor([word]) for word in counter], key)
    assert tuple(int(word) for word in words) == result


@pytest.mark.parametrize("shape", [(3, 32, 32), (1,), (7,), (3, 5, 5)])
def test_an_image_has_the_same_noise_in_any_batch(shape):
    whole = Stream(3, "noise").normal(5, torch.arange(17), shape)
    for chosen in ([0], [16], [4, 9, 11], list(range(13))):
        part = Stream(3, "noise").normal(5, torch.tensor(chosen), shape)
        assert torch.equal(part, whole[torch.tensor(chosen)])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 31, 4099])
def test_odd_sizes_and_thread_counts_change_no_bit(count):
    # Vectorised kernels treat the tail of an array, and the border between threads, apart.
    threads = torch.get_num_threads()
    whole = Stream(3, "noise").normal(5, torch.arange(37), (count,))
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            for i in (0, 17, 36):
                assert torch.equal(Stream(3, "noise").normal(5, torch.tensor([i]), (count,))[0], whole[i])
    finally:
        torch.set_num_threads(threads)


def test_normal_values_have_the_moments_of_a_standard_normal():
    x = Stream(0, "noise").normal(0, torch.arange(100), (10_000,)).double()
    # A million draws: the standard errors of these moments are 0.001, 0.0014, 0.004 and 0.01.
    assert x.mean().item() == pytest.approx(0.0, abs=0.005)
    assert x.var().item() == pytest.approx(1.0, abs=0.007)
    assert (x**3).mean().item() == pytest.approx(0.0, abs=0.02)
    assert (x**4).mean().item() == pytest.approx(3.0, abs=0.05)
    assert (x.abs() > 3).double().mean().item() == pytest.approx(0.0027, abs=0.0003)


def test_streams_of_other_seeds_domains_steps_and_draws_are_uncorrelated():
    def drawn(seed=0, domain="noise", at=0, draw=0):
        return Stream(seed, domain).normal(at, torch.arange(4), (10_000,), draw=draw).flatten()

    base = drawn()
    for other in (drawn(seed=1), drawn(domain="time"), drawn(at=1), drawn(draw=1), drawn().roll(10_000)):
        assert abs(torch.corrcoef(torch.stack([base, other]))[0, 1].item()) < 0.02  # four standard errors


def test_the_global_generator_is_not_touched():
    before = torch.get_rng_state()
    Stream(0, "noise").normal(0, torch.arange(4), (8,))
    Stream(0, "order").permutation(0, 10)
    assert torch.equal(before, torch.get_rng_state())


def test_permutations_hold_everything_once_and_differ_by_epoch():
    first, second = (Stream(0, "order").permutation(epoch, 1000) for epoch in (0, 1))
    assert first.sort().values.tolist() == list(range(1000))
    assert not torch.equal(first, second)


def test_calls_within_one_sampler_step_give_fresh_noise():
    noise = KeyedNoise(Stream(0, "sample"), 3, torch.arange(2))
    x = torch.zeros(2, 5, dtype=torch.float64)
    first, second = noise.normal(x), noise.normal(x)
    assert first.dtype == torch.float64
    assert not torch.equal(first, second)
