"""Distances against closed forms, other implementations and published numbers."""

import json

import numpy as np
import pytest
import torch

from workbench.interfaces import ExtractorCard
from workbench.metrics import MetricCard, differences, frechet_distance, kernel_distance, rankable


def with_moments(mean, covariance, n, seed=0):
    """Samples with exactly the given sample mean and covariance, so that closed forms hold without sampling error."""
    x = torch.randn(n, len(mean), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = x - x.mean(0)
    white = x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / (n - 1))).T
    return white @ torch.linalg.cholesky(torch.as_tensor(covariance, dtype=torch.float64)).T + torch.as_tensor(
        mean, dtype=torch.float64
    )


def test_frechet_of_diagonal_gaussians_is_the_closed_form():
    # For commuting covariances: |m1 - m2|^2 + sum (s1 - s2)^2 (Dowson & Landau 1982).
    a = with_moments([0.0, 1.0, 2.0], np.diag([1.0, 4.0, 9.0]), 500)
    b = with_moments([1.0, 1.0, 0.0], np.diag([4.0, 4.0, 0.25]), 400, seed=1)
    assert frechet_distance(a, b) == pytest.approx(1 + 4 + (1 - 2) ** 2 + 0 + (3 - 0.5) ** 2, rel=1e-9)


def test_frechet_of_any_two_gaussians_in_the_plane_is_the_closed_form():
    # tr sqrt(C1 C2) = sqrt(tr(C1 C2) + 2 sqrt(det C1 det C2)) for 2 x 2 matrices.
    one, two = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[1.0, -0.4], [-0.4, 3.0]])
    root = np.sqrt(np.trace(one @ two) + 2 * np.sqrt(np.linalg.det(one) * np.linalg.det(two)))
    expected = np.trace(one + two) - 2 * root
    assert frechet_distance(with_moments([0, 0], one, 300), with_moments([0, 0], two, 300, 1)) == pytest.approx(
        expected, rel=1e-9
    )


@pytest.mark.parametrize(("n", "m", "d"), [(400, 300, 20), (30, 40, 64), (30, 200, 64), (200, 30, 64)])
def test_frechet_equals_scipys_matrix_square_root(n, m, d):
    linalg = pytest.importorskip("scipy.linalg")
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(d, d, generator=generator)
    a, b = torch.randn(n, d, generator=generator) @ mix, torch.randn(m, d, generator=generator) + 0.3
    one, two = np.cov(a.double().numpy().T), np.cov(b.double().numpy().T)
    shift = (a.double().mean(0) - b.double().mean(0)).square().sum().item()
    expected = shift + np.trace(one) + np.trace(two) - 2 * np.trace(linalg.sqrtm(one @ two)).real
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("digits", [1, 4, 8, 12, 16])
def test_frechet_of_ill_conditioned_commuting_covariances_is_the_closed_form(digits):
    # sum (sqrt(s) - sqrt(t))^2 in a common basis; the spectra span `digits` orders of magnitude; at 16 they are singular in float64.
    d = 300  # more than one block, and not a multiple of the block size
    basis, _ = torch.linalg.qr(torch.randn(d, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    s, t = (scale * 10.0 ** -torch.linspace(0, digits, d, dtype=torch.float64) for scale in (1.0, 3.0))
    a = with_moments(torch.zeros(d), torch.eye(d), 700) * s.sqrt() @ basis.T
    b = with_moments(torch.zeros(d), torch.eye(d), 800, seed=1) * t.sqrt() @ basis.T
    expected = float((s.sqrt() - t.sqrt()).square().sum())
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [500, 200])
def test_constant_dimensions_add_nothing_to_frechet(n):
    generator = torch.Generator().manual_seed(0)
    a, b = (scale * torch.randn(n, 40, generator=generator, dtype=torch.float64) for scale in (1.0, 2.0))
    wide_a, wide_b = (torch.cat([x, torch.full((n, 300), 0.7), x[:, :10]], 1) for x in (a, b))  # constants, and repeated columns
    weights = torch.tensor([2.0] * 10 + [1.0] * 30, dtype=torch.float64).sqrt()  # a repeated column counts twice
    assert frechet_distance(wide_a, wide_b) == pytest.approx(frechet_distance(a * weights, b * weights), rel=1e-9)


@pytest.mark.parametrize("dims", [64, 320])
def test_frechet_of_real_features_equals_two_other_formulas_to_nine_digits(shared, dims):
    linalg = pytest.importorskip("scipy.linalg")
    data = np.load(shared / "data" / "tf_pool3_flowers" / "pool3.npz")
    features = torch.from_numpy(data["features"])[:, :dims]
    roses, tulips = (features[torch.from_numpy(data["classes"] == name)] for name in ("roses", "tulips"))
    one, two = (torch.from_numpy(np.cov(x.double().numpy().T)) for x in (roses, tulips))
    rest = (roses.double().mean(0) - tulips.double().mean(0)).square().sum() + one.trace() + two.trace()
    values, vectors = torch.linalg.eigh(one)
    root = vectors * values.sqrt() @ vectors.T
    by_eigh = rest - 2.0 * torch.linalg.eigvalsh(root @ two @ root).sqrt().sum()
    by_sqrtm = rest - 2.0 * np.trace(linalg.sqrtm((one @ two).numpy())).real
    assert frechet_distance(roses, tulips) == pytest.approx(float(by_eigh), rel=1e-9)
    assert frechet_distance(roses, tulips) == pytest.approx(float(by_sqrtm), rel=1e-9)


def test_distances_do_not_change_the_features():
    a, b = torch.randn(60, 8, dtype=torch.float64), torch.randn(50, 8, dtype=torch.float64)
    before = a.clone(), b.clone()
    frechet_distance(a, b)
    kernel_distance(a, b)
    assert torch.equal(a, before[0])
    assert torch.equal(b, before[1])


@pytest.mark.parametrize(("n", "d"), [(500, 32), (20, 256)])
def test_identical_sets_are_at_distance_zero(n, d):
    a = 3.0 * torch.randn(n, d, generator=torch.Generator().manual_seed(0))
    assert 0.0 <= frechet_distance(a, a) < 1e-6
    assert 0.0 <= frechet_distance(a, a[torch.randperm(n)]) < 1e-6


def test_frechet_of_real_pool3_features_is_the_golden_value(shared):
    folder = shared / "data" / "tf_pool3_flowers"
    data = np.load(folder / "pool3.npz")
    features, classes = torch.from_numpy(data["features"]), data["classes"]
    (golden,) = json.loads((folder / "golden.json").read_text()).values()
    roses, tulips = (features[torch.from_numpy(classes == name)] for name in ("roses", "tulips"))
    assert (len(roses), len(tulips), features.shape[1]) == (641, 799, 2048)
    assert frechet_distance(roses, tulips) == pytest.approx(golden, rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(7, 6), (300, 600), (256, 2)])  # within a block of rows, and over several
def test_kernel_distance_is_the_unbiased_double_sum(n, m):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(n, 5, generator=generator), torch.randn(m, 5, generator=generator) + 0.5

    def k(a, b):
        return (torch.einsum("id,jd->ij", a.double(), b.double()) / 5 + 1) ** 3

    def among(z):
        return (k(z, z).sum() - k(z, z).diagonal().sum()) / (len(z) * (len(z) - 1))

    expected = among(x) + among(y) - 2 * k(x, y).mean()
    assert kernel_distance(x, y)[0] == pytest.approx(float(expected), rel=1e-11)


def test_kernel_distance_of_equal_distributions_is_zero_on_average():
    generator = torch.Generator().manual_seed(0)
    values = torch.tensor(
        [kernel_distance(torch.randn(60, 8, generator=generator), torch.randn(50, 8, generator=generator))[0] for _ in range(300)]
    )
    assert abs(values.mean()) < 4 * values.std() / 300**0.5
    assert (values < 0).any()


def test_the_standard_error_of_the_kernel_distance_is_its_spread():
    generator = torch.Generator().manual_seed(0)
    drawn = [
        kernel_distance(torch.randn(200, 8, generator=generator), 0.5 + torch.randn(150, 8, generator=generator))
        for _ in range(200)
    ]
    spread = torch.tensor([value for value, _ in drawn]).std().item()
    estimated = torch.tensor([error for _, error in drawn]).mean().item()
    assert estimated == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_a_single_sample_is_an_error(distance):
    with pytest.raises(ValueError, match="at least 2"):
        distance(torch.zeros(1, 3), torch.zeros(5, 3))


def test_numbers_are_ranked_only_if_they_were_measured_in_the_same_way():
    extractor = ExtractorCard("e", "0" * 64, "none", 3)
    card = MetricCard(extractor, 1000, 500, "data", "train", "ema", "ddim", 50, 50, 1.0, True, 0).to_dict()
    assert rankable(card, {**card, "sampler": "ddpm", "nfe": 300})
    assert not rankable(card, {**card, "n_generated": 501})
    assert not rankable(card, {**card, "extractor": {**card["extractor"], "weights_sha256": "1" * 64}})
    assert differences(card, {**card, "steps": 20}) == {"steps": (50, 20)}
