"""exp for kernels, which stays in registers.

torch's own calls a function, which puts away all registers for it; and its compiler writes to memory what has an exp in it and is used twice.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

# exp(x) is taken as a polynomial of x / 2^6, squared 6 times. Its relative error is x^5 / 120 / 2^24, 5e-5 at x = 10 or -10; and the rounding of 6
# squares, 1e-5.
SQUARES = 6
# exp of less is as good as 0, and no denormal number, which are slow.
SMALLEST = -60.0 / 2**SQUARES


def exponential(above: Tensor) -> Tensor:
    """exp(2^6 x), of `above` = x - SMALLEST: what is less than SMALLEST is taken for it, by one instruction."""
    above = F.relu(above)
    # Taylor's polynomial of x, with its powers of x - SMALLEST put together.
    power = above * TERMS[4] + TERMS[3]
    for term in TERMS[2::-1]:
        power = power * above + term
    # Not `power * power` in a loop: torch's compiler would write out the polynomial for each of 2^6 factors.
    return (power**16) ** (2**SQUARES // 16)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + exponential(x * -(2.0**-SQUARES) - SMALLEST))


def _taylor(order: int, x: float) -> float:
    return sum(x**power / math.factorial(power) for power in range(order + 1))


TERMS = [_taylor(4 - order, SMALLEST) / math.factorial(order) for order in range(5)]
