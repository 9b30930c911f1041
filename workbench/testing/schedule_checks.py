"""The checks for noise schedules."""

from __future__ import annotations

import math

import torch

from workbench.interfaces import NoiseSchedule
from workbench.testing.checking import NotApplicable, check_of, require


def _times(count: int) -> torch.Tensor:
    return torch.linspace(0.0, 1.0, count, dtype=torch.float64)


@check_of("schedules")
def limits(schedule: NoiseSchedule) -> None:
    """t = 0 is the data (alpha = 1, sigma = 0) and t = 1 is finite and noisy."""
    (alpha_0, sigma_0), (alpha_1, sigma_1) = schedule.at(0.0), schedule.at(1.0)
    require(
        abs(alpha_0 - 1.0) < 1e-12 and sigma_0 == 0.0,
        f"at t = 0, (alpha, sigma) is ({alpha_0!r}, {sigma_0!r}) and must be (1, 0)",
    )
    require(
        math.isfinite(alpha_1) and math.isfinite(sigma_1) and alpha_1 >= 0.0 and sigma_1 > 0.0,
        f"at t = 1, (alpha, sigma) is ({alpha_1!r}, {sigma_1!r}): alpha must be at least 0 and sigma above 0",
    )


@check_of("schedules")
def monotone(schedule: NoiseSchedule) -> None:
    """log-SNR falls strictly from t = 0 to t = 1."""
    t = _times(2001)
    logsnr = schedule.logsnr(t)
    rising = ~(logsnr.diff() < 0.0)
    if bool(rising.any()):
        k = int(rising.float().argmax())
        before, after = (f"{float(logsnr[i]):.6g} at t = {float(t[i]):.4f}" for i in (k, k + 1))
        require(False, f"log-SNR goes from {before} to {after}")


@check_of("schedules")
def inverse(schedule: NoiseSchedule) -> None:
    """time(logsnr(t)) = t, the ends included."""
    t = _times(501)
    off = (schedule.time(schedule.logsnr(t)) - t).abs().nan_to_num(nan=math.inf)
    k = int(off.argmax())
    require(float(off[k]) < 1e-8, f"time(logsnr(t)) is off by {float(off[k]):.3g} at t = {float(t[k]):.4f}")


@check_of("schedules")
def dtype_and_shape(schedule: NoiseSchedule) -> None:
    """Coefficients and times have the shape and dtype of the argument, and float32 agrees with float64."""
    for shape in ((), (4,), (2, 3)):
        exact = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.98 + 0.01
        for dtype in (torch.float32, torch.float64):
            t = exact.to(dtype)
            for name, value in zip(
                ("alpha", "sigma", "time"), (*schedule.alpha_sigma(t), schedule.time(schedule.logsnr(t))), strict=True
            ):
                require(value.shape == t.shape, f"{name} of times of shape {list(shape)} has shape {list(value.shape)}")
                require(value.dtype == dtype, f"{name} of {dtype} times is {value.dtype}")
        for name, rough, fine in zip(
            ("alpha", "sigma"), schedule.alpha_sigma(exact.float()), schedule.alpha_sigma(exact), strict=True
        ):
            require(
                torch.allclose(rough.double(), fine, rtol=1e-3, atol=1e-5), f"{name} in float32 is {rough} and in float64 {fine}"
            )


@check_of("schedules")
def double_precision(schedule: NoiseSchedule) -> None:
    """Coefficients are computed in float64: tables in float32 leave steps of 1e-7 in log-SNR."""
    count = schedule.grid() or 1000
    if count < 200:
        raise NotApplicable("a table of fewer than 200 times is too coarse to distinguish steps from curvature")
    logsnr = schedule.logsnr(torch.arange(count // 10, 9 * count // 10, dtype=torch.float64) / count)
    # Sixth differences of a smooth curve vanish as h^6; those of rounding errors do not. The median ignores single kinks.
    rough = float(logsnr.diff(n=6).abs().median())
    require(
        rough < 1e-7,
        f"log-SNR has steps of about {rough / 30.0:.1g}: compute in float64, with sums of log(1 - beta) instead of products",
    )


SCHEDULE_CHECKS = (limits, monotone, inverse, dtype_and_shape, double_precision)
