"""Our samplers and the peers' own loops on one grid, with one network and one noise. Run it to print the table of docs/parity.md."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wb_schedules import Linear
from workbench.diffusion import TimeGrid, sample
from workbench.interfaces import NoiseSchedule, Sampler
from workbench.random import KeyedNoise, Stream

SCHEDULE = Linear(steps=1000)
SHAPE = (3, 8, 8)
IMAGES = 4
SEED = 0


class Mixture:
    """E[x0 | x_t] for data whose elements are -0.6 or 0.6, each with standard deviation 0.2: not linear in x, and exact."""

    def __init__(self, schedule: NoiseSchedule = SCHEDULE, centre: float = 0.6, std: float = 0.2) -> None:
        self.schedule, self.centre, self.std = schedule, centre, std

    def __call__(self, x: Tensor, t: float) -> Tensor:
        alpha, sigma = self.schedule.at(t)
        variance = alpha**2 * self.std**2 + sigma**2
        side = torch.tanh(x * (alpha * self.centre / variance))  # p(+) - p(-)
        gain = alpha * self.std**2 / variance
        return gain * x + (1.0 - gain * alpha) * self.centre * side


def start(dtype: torch.dtype) -> Tensor:
    """The noise that both loops start with [n, c, h, w]."""
    return Stream(SEED, "start").normal(0, torch.arange(IMAGES), SHAPE, dtype)


def noise(step: int) -> KeyedNoise:
    """The noise of step 1, 2, ... of our loop."""
    return KeyedNoise(Stream(SEED, "sample"), step, torch.arange(IMAGES))


def ours(sampler: Sampler[Any], times: list[float], x: Tensor, posterior: Any = None) -> Tensor:
    """Our loop along `times`, which ends at 0."""
    posterior = posterior or Mixture()
    return sample(posterior, sampler, TimeGrid.of(times), images=IMAGES, shape=SHAPE, seed=SEED, dtype=x.dtype, start=x)


def times_of(sigmas: Tensor, schedule: NoiseSchedule = SCHEDULE) -> list[float]:
    """The times at which sigma / alpha has these values, by log-SNR; 0 for 0."""
    ratios = sigmas.double()
    return schedule.time(torch.where(ratios > 0, -2.0 * ratios.log(), torch.inf)).tolist()


def in_diffusers(scheduler: Any, times: list[float], x: Tensor, exploding: bool, posterior: Any = None, **step: Any) -> Tensor:
    """Their loop as in their documentation, with a network that predicts eps; `times` [calls] are our times of the calls.

    `exploding`: their x is ours / alpha, and `scale_model_input` turns it into ours.
    """
    posterior = posterior or Mixture()
    schedule = posterior.schedule
    y = x / schedule.at(times[0])[0] if exploding else x
    for t, timestep in zip(times, scheduler.timesteps, strict=True):
        alpha, sigma = schedule.at(t)
        x_t = scheduler.scale_model_input(y, timestep)
        eps = (x_t - alpha * posterior(x_t, t)) / sigma
        y = scheduler.step(eps, timestep, y, return_dict=False, **step)[0]
    return y


def k_diffusion() -> Any:
    """Import `k_diffusion.sampling`, the installed file.

    The package's `__init__` imports all of its modules, and with them wandb, CLIP and kornia, which the sampling module does not need.
    """
    if "k_diffusion" not in sys.modules:
        spec = importlib.util.find_spec("k_diffusion")
        if spec is None or spec.submodule_search_locations is None:
            raise ModuleNotFoundError("k_diffusion")
        package = types.ModuleType("k_diffusion")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["k_diffusion"] = package
    return importlib.import_module("k_diffusion.sampling")


def in_k_diffusion(name: str, sigmas: Tensor, x: Tensor, posterior: Any = None, **options: Any) -> Tensor:
    """Their `sample_<name>` on `sigmas` [n + 1], which end at 0; the network gives the posterior mean."""
    posterior = posterior or Mixture()
    times = dict(zip(sigmas.tolist(), times_of(sigmas, posterior.schedule), strict=True))

    def denoised(y: Tensor, sigma: Tensor) -> Tensor:
        t = times[float(sigma[0])]
        return posterior(y * posterior.schedule.at(t)[0], t)

    alpha = posterior.schedule.at(times[float(sigmas[0])])[0]
    return getattr(k_diffusion(), f"sample_{name}")(denoised, x / alpha, sigmas.to(x.dtype), disable=True, **options)


def karras(steps: int, low: float = 0.02, high: float = 80.0, rho: float = 7.0) -> Tensor:
    """Karras et al. 2022, equation 5, and 0 [steps + 1]."""
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    return torch.cat(
        [(high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho, torch.zeros(1, dtype=torch.float64)]
    )


@dataclass(frozen=True)
class Comparison:
    """One of our samplers and one of theirs; `run` returns both results."""

    sampler: str
    peer: str
    run: Callable[[torch.dtype], tuple[Tensor, Tensor]]
    # Tolerance in float64: most of diffusers always computes in float32.
    double: float = 1e-4

    def difference(self, dtype: torch.dtype) -> float:
        """The largest absolute difference of any element."""
        mine, theirs = self.run(dtype)
        if mine.dtype != theirs.dtype or mine.shape != theirs.shape:
            raise TypeError(f"{mine.dtype} {tuple(mine.shape)} is not {theirs.dtype} {tuple(theirs.shape)}")
        return (mine.double() - theirs.double()).abs().max().item()


def diffusers_comparisons() -> list[Comparison]:
    """diffusers' schedulers on their own grids."""
    import diffusers

    from wb_samplers import DDIM, DDPM, AncestralEuler, DPMpp2M, Heun, UniPC

    def table(sampler: Sampler[Any], name: str, steps: int, **step: Any) -> Callable[[torch.dtype], tuple[Tensor, Tensor]]:
        def run(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
            scheduler = getattr(diffusers, name)(timestep_spacing="trailing", clip_sample=False)
            scheduler.set_timesteps(steps)
            times = [(int(timestep) + 1) / 1000 for timestep in scheduler.timesteps]
            with_noise = with_our_noise(scheduler, step)
            return ours(sampler, [*times, 0.0], start(dtype)), with_noise(times, start(dtype), exploding=False)

        return run

    def sigmas(
        sampler: Sampler[Any], name: str, steps: int, exploding: bool = False, **options: Any
    ) -> Callable[[torch.dtype], tuple[Tensor, Tensor]]:
        def run(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
            scheduler = getattr(diffusers, name)(beta_start=1e-4, beta_end=0.02, timestep_spacing="trailing", **options)
            scheduler.set_timesteps(steps)
            calls = times_of(scheduler.sigmas)
            with_noise = with_our_noise(scheduler, {})
            return ours(sampler, list(dict.fromkeys(calls)), start(dtype)), with_noise(
                calls[:-1], start(dtype), exploding=exploding
            )

        return run

    return [
        Comparison("ddim", "DDIMScheduler", table(DDIM(), "DDIMScheduler", 50)),
        Comparison("ddim, eta = 1", "DDIMScheduler, eta = 1", table(DDIM(eta=1.0), "DDIMScheduler", 50, eta=1.0)),
        Comparison("ddpm", "DDPMScheduler", table(DDPM(), "DDPMScheduler", 50)),
        Comparison("ddim", "EulerDiscreteScheduler", sigmas(DDIM(), "EulerDiscreteScheduler", 50, exploding=True)),
        Comparison("dpmpp_2m", "DPMSolverMultistepScheduler", sigmas(DPMpp2M(), "DPMSolverMultistepScheduler", 20)),
        Comparison(
            "dpmpp_2m",
            "DPMSolverMultistepScheduler, Karras",
            sigmas(DPMpp2M(), "DPMSolverMultistepScheduler", 20, use_karras_sigmas=True),
        ),
        Comparison("heun", "HeunDiscreteScheduler", sigmas(Heun(), "HeunDiscreteScheduler", 20, exploding=True)),
        Comparison(
            "unipc, order = 2",
            "UniPCMultistepScheduler, order 2",
            sigmas(UniPC(order=2), "UniPCMultistepScheduler", 20, final_sigmas_type="zero"),
        ),
        Comparison(
            "unipc, order = 3",
            "UniPCMultistepScheduler, order 3, lower_order_final off",
            sigmas(
                UniPC(order=3),
                "UniPCMultistepScheduler",
                20,
                solver_order=3,
                final_sigmas_type="sigma_min",
                lower_order_final=False,
            ),
        ),
        Comparison(
            "ancestral_euler",
            "EulerAncestralDiscreteScheduler",
            sigmas(AncestralEuler(), "EulerAncestralDiscreteScheduler", 50, exploding=True),
        ),
    ]


def with_our_noise(scheduler: Any, step: dict[str, Any]) -> Callable[..., Tensor]:
    """`in_diffusers` with our noise instead of theirs: their module's `randn_tensor` is replaced during the call."""
    module = sys.modules[type(scheduler).__module__]

    def run(times: list[float], x: Tensor, exploding: bool, posterior: Any = None) -> Tensor:
        theirs = getattr(module, "randn_tensor", None)
        count = 0

        def randn_tensor(shape: Any, **_: Any) -> Tensor:
            nonlocal count
            count += 1
            return noise(count).normal(x)

        module.randn_tensor = randn_tensor  # type: ignore[attr-defined]
        try:
            return in_diffusers(scheduler, times, x, exploding, posterior, **step)
        finally:
            module.randn_tensor = theirs  # type: ignore[attr-defined]

    return run


def k_diffusion_comparisons() -> list[Comparison]:
    """k-diffusion's functions on Karras' sigmas."""
    from wb_samplers import DDIM, AncestralEuler, DPMpp2M, Heun

    def run(sampler: Sampler[Any], name: str, steps: int, noisy: bool = False) -> Callable[[torch.dtype], tuple[Tensor, Tensor]]:
        def both(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
            sigmas = karras(steps).to(dtype)
            x = start(dtype)
            count = 0

            def drawn(_from: Tensor, _to: Tensor) -> Tensor:
                nonlocal count
                count += 1
                return noise(count).normal(x)

            options = {"noise_sampler": drawn} if noisy else {}
            return ours(sampler, times_of(sigmas), x), in_k_diffusion(name, sigmas, x, **options)

        return both

    return [
        Comparison("ddim", "sample_euler", run(DDIM(), "euler", 50), 1e-9),
        Comparison("ancestral_euler", "sample_euler_ancestral", run(AncestralEuler(), "euler_ancestral", 50, noisy=True), 1e-9),
        Comparison("heun", "sample_heun", run(Heun(), "heun", 20), 1e-9),
        Comparison("dpmpp_2m", "sample_dpmpp_2m", run(DPMpp2M(), "dpmpp_2m", 20), 1e-9),
    ]


def report() -> str:
    """The table of docs/parity.md."""
    from importlib.metadata import version

    lines = ["| ours | theirs | float32 | float64 |", "|---|---|---|---|"]
    for package, comparisons in (("diffusers", diffusers_comparisons()), ("k-diffusion", k_diffusion_comparisons())):
        for comparison in comparisons:
            numbers = [f"{comparison.difference(dtype):.0e}" for dtype in (torch.float32, torch.float64)]
            lines.append(f"| `{comparison.sampler}` | {package} {version(package)}: {comparison.peer} | {' | '.join(numbers)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())  # noqa: T201
