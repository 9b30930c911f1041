"""Samplers with one classic mistake each."""

from __future__ import annotations

import math
from typing import Any

import torch
from pydantic import Field, field_validator

from workbench.interfaces import Sampler

HISTORY: dict[str, Any] = {}


def coefficients(posterior, t, s):
    return (*posterior.schedule.at(t), *posterior.schedule.at(s))


def implicit(posterior, x, t, s):
    """DDIM without noise, without a mistake."""
    alpha_t, sigma_t, alpha_s, sigma_s = coefficients(posterior, t, s)
    x0 = posterior(x, t)
    return alpha_s * x0 + sigma_s * (x - alpha_t * x0) / sigma_t


def ancestral(posterior, x, t, s, noise, variance, at_the_end=False):
    """Ho et al.'s step with a given variance; correct with shrink * beta."""
    alpha_t, sigma_t, alpha_s, sigma_s = coefficients(posterior, t, s)
    x0, scale, shrink = posterior(x, t), alpha_t / alpha_s, (sigma_s / sigma_t) ** 2
    beta = sigma_t**2 - scale**2 * sigma_s**2
    mean = alpha_s * beta / sigma_t**2 * x0 + scale * shrink * x
    if s == 0.0 and not at_the_end:
        return mean
    return mean + max(variance(beta, shrink, sigma_t, sigma_s), 0.0) ** 0.5 * noise.normal(x)


class OffByOneTimeGrid(Sampler[None]):
    """Calls the network with a time one table step too early."""

    def step(self, posterior, x, t, s, *, state, noise):
        alpha_t, sigma_t, alpha_s, sigma_s = coefficients(posterior, t, s)
        x0 = posterior(x, max(t - 0.02, 1e-3))
        return alpha_s * x0 + sigma_s * (x - alpha_t * x0) / sigma_t, None


class WrongPosteriorVariance(Sampler[None]):
    """Twice the variance of the posterior."""

    def step(self, posterior, x, t, s, *, state, noise):
        return ancestral(posterior, x, t, s, noise, lambda beta, shrink, *_: 2.0 * shrink * beta), None


class SigmaForSigmaSquared(Sampler[None]):
    """Uses the variance as the standard deviation."""

    def step(self, posterior, x, t, s, *, state, noise):
        return ancestral(posterior, x, t, s, noise, lambda beta, shrink, *_: (shrink * beta) ** 2), None


class NoiseAtTheLastStep(Sampler[None]):
    """Adds noise of variance beta in the last step too."""

    def step(self, posterior, x, t, s, *, state, noise):
        return ancestral(posterior, x, t, s, noise, lambda beta, *_: beta, at_the_end=True), None


class MissingLastStep(Sampler[None]):
    """Stops one step before the data."""

    def step(self, posterior, x, t, s, *, state, noise):
        return (x if s == 0.0 else implicit(posterior, x, t, s)), None


class StaleMultistepState(Sampler[Any]):
    """DPM-Solver++(2M) that stores its history globally, and so uses it for the next image."""

    def step(self, posterior, x, t, s, *, state, noise):
        alpha_t, sigma_t, alpha_s, sigma_s = coefficients(posterior, t, s)
        x0 = posterior(x, t)
        shrink = alpha_t / alpha_s * sigma_s / sigma_t
        h = -math.log(shrink) if shrink > 0.0 else math.inf
        last = HISTORY.get("last")
        usable = last is not None and last[0].shape == x0.shape and math.isfinite(h)
        middle = x0 + 0.5 * h / last[1] * (x0 - last[0]) if usable else x0
        HISTORY["last"] = (x0, h)
        return sigma_s / sigma_t * x + alpha_s * (1.0 - shrink) * middle, None


class GlobalGenerator(Sampler[None]):
    """Takes its noise from torch."""

    def step(self, posterior, x, t, s, *, state, noise):
        class Torch:
            def normal(self, x):
                return torch.randn_like(x)

        return ancestral(posterior, x, t, s, Torch(), lambda beta, shrink, *_: shrink * beta), None


class EpsForV(Sampler[None]):
    """Uses the velocity as the noise."""

    def step(self, posterior, x, t, s, *, state, noise):
        alpha_t, sigma_t, alpha_s, sigma_s = coefficients(posterior, t, s)
        x0 = posterior(x, t)
        v = (alpha_t * x - x0) / sigma_t
        return alpha_s * x0 + sigma_s * v, None


class WrongSignInFlow(Sampler[None]):
    """Moves against the velocity."""

    def step(self, posterior, x, t, s, *, state, noise):
        alpha_t, sigma_t, alpha_s, sigma_s = coefficients(posterior, t, s)
        scale_t, scale_s = alpha_t + sigma_t, alpha_s + sigma_s
        w_t, w_s = sigma_t / scale_t, sigma_s / scale_s
        velocity = (x / scale_t - posterior(x, t)) / w_t
        return scale_s * (x / scale_t - (w_s - w_t) * velocity), None


class BatchDependentNoise(Sampler[None]):
    """Centres the noise over the batch."""

    def step(self, posterior, x, t, s, *, state, noise):
        class Centred:
            def normal(self, x):
                z = noise.normal(x)
                return z - z.mean(0, keepdim=True)

        return ancestral(posterior, x, t, s, Centred(), lambda beta, shrink, *_: shrink * beta), None


class SpacingThatMustDivide(Sampler[None]):
    """Moves down by whole table steps, rounded, instead of to s."""

    def step(self, posterior, x, t, s, *, state, noise):
        rounded = 0.0 if s == 0.0 else max(t - math.ceil((t - s) * 100) / 100, 1e-3)
        return implicit(posterior, x, t, rounded), None


class InPlace(Sampler[None]):
    """Reuses x to save memory."""

    def step(self, posterior, x, t, s, *, state, noise):
        alpha_t, sigma_t, alpha_s, sigma_s = coefficients(posterior, t, s)
        x0 = posterior(x, t)
        return x.sub_(alpha_t * x0).mul_(sigma_s / sigma_t).add_(alpha_s * x0), None


class ChangesThePosteriorMean(Sampler[Any]):
    """Scales the posterior mean in place before using it."""

    def step(self, posterior, x, t, s, *, state, noise):
        alpha_t, sigma_t, alpha_s, sigma_s = coefficients(posterior, t, s)
        x0 = posterior(x, t)
        eps = (x - alpha_t * x0) / sigma_t
        return x0.mul_(alpha_s) + sigma_s * eps, None


class EvaluationsThatDependOnData(Sampler[None]):
    """Evaluates the network twice if its prediction is large."""

    def step(self, posterior, x, t, s, *, state, noise):
        if float(posterior(x, t).abs().max()) > 1.0:
            posterior(x, t)
        return implicit(posterior, x, t, s), None


class DividesByAlpha(Sampler[None]):
    """Steps in sigma / alpha, also for alpha = 0."""

    def step(self, posterior, x, t, s, *, state, noise):
        alpha_t, sigma_t, alpha_s, sigma_s = (torch.tensor(value, dtype=torch.float64) for value in coefficients(posterior, t, s))
        x0 = posterior(x, t)
        y = x / alpha_t + (sigma_s / alpha_s - sigma_t / alpha_t) * (x / alpha_t - x0) / (sigma_t / alpha_t)
        return (alpha_s * y).to(x.dtype), None


class SinglePrecisionInside(Sampler[None]):
    """Always computes in float32."""

    def step(self, posterior, x, t, s, *, state, noise):
        return implicit(posterior, x.float(), t, s), None


class EulerClaimsSecondOrder(Sampler[None]):
    """A first-order sampler that claims second order."""

    def step(self, posterior, x, t, s, *, state, noise):
        return implicit(posterior, x, t, s), None

    def convergence_order(self):
        return 2


class HalfQuadraticTerm(Sampler[Any]):
    """DPM-Solver++(3M) with half of its quadratic term, as it is widely copied."""

    def step(self, posterior, x, t, s, *, state, noise):
        alpha_t, sigma_t, alpha_s, sigma_s = coefficients(posterior, t, s)
        x0, history = posterior(x, t), state or []
        shrink = alpha_t / alpha_s * sigma_s / sigma_t
        x_s = sigma_s / sigma_t * x + alpha_s * (1.0 - shrink) * x0
        if s == 0.0:
            return x_s, None
        h = -math.log(shrink) if shrink > 0.0 else math.inf
        usable = [entry for entry in history if math.isfinite(entry[1])]
        phi_2 = math.expm1(-h) / h + 1.0
        if len(usable) == 1:
            x_s = x_s + alpha_s * phi_2 * (x0 - usable[0][0]) / (usable[0][1] / h)
        elif usable:
            r0, r1 = usable[0][1] / h, usable[1][1] / h
            d1_0, d1_1 = (x0 - usable[0][0]) / r0, (usable[0][0] - usable[1][0]) / r1
            d1, d2 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1), (d1_0 - d1_1) / (r0 + r1)
            x_s = x_s + alpha_s * (phi_2 * d1 - (phi_2 / h - 0.5) * d2)
        return x_s, [(x0, h), *history][:2]

    def convergence_order(self):
        return 3


class OneDrawForTheWholeImage(Sampler[None]):
    """Draws one number for each image and broadcasts it over the pixels."""

    def step(self, posterior, x, t, s, *, state, noise):
        class Broadcast:
            def normal(self, x):
                return noise.normal(x.flatten(1)[:, :1]).reshape(-1, *[1] * (x.dim() - 1)).expand_as(x)

        return ancestral(posterior, x, t, s, Broadcast(), lambda beta, shrink, *_: shrink * beta), None


class GeneratorOfItsOwn(Sampler[None]):
    """Takes its noise from its own generator, which is seeded by the clock."""

    def step(self, posterior, x, t, s, *, state, noise):
        class Own:
            def normal(self, x):
                generator = torch.Generator()
                generator.seed()
                return torch.randn(x.shape, generator=generator, dtype=x.dtype)

        return ancestral(posterior, x, t, s, Own(), lambda beta, shrink, *_: shrink * beta), None


class DividesByHundredWhenRead(Sampler[None]):
    """Converts its field from percent to a fraction, which is divided again when it is read again."""

    eta: float = Field(50.0, description="fraction of the noise, in percent")

    @field_validator("eta")
    @classmethod
    def _share(cls, value):
        return value / 100.0

    def step(self, posterior, x, t, s, *, state, noise):
        return implicit(posterior, x, t, s), None


CAUGHT_BY: dict[type[Any], str] = {
    OffByOneTimeGrid: "moments",
    WrongPosteriorVariance: "moments",
    SigmaForSigmaSquared: "moments",
    NoiseAtTheLastStep: "reaches_a_point",
    MissingLastStep: "reaches_a_point",
    StaleMultistepState: "state_is_passed",
    GlobalGenerator: "given_noise_only",
    EpsForV: "moments",
    WrongSignInFlow: "reaches_a_point",
    BatchDependentNoise: "batch_invariance",
    SpacingThatMustDivide: "any_step_count",
    InPlace: "input_unchanged",
    ChangesThePosteriorMean: "input_unchanged",
    EvaluationsThatDependOnData: "nfe",
    DividesByAlpha: "finite_ends",
    SinglePrecisionInside: "dtypes",
    EulerClaimsSecondOrder: "convergence_order",
    HalfQuadraticTerm: "convergence_order",
    OneDrawForTheWholeImage: "mixture",
    GeneratorOfItsOwn: "determinism",
    DividesByHundredWhenRead: "recipe_round_trip",
}
