"""exp for compiled kernels, computed in registers.

torch's exp calls a function, for which all registers are saved; and torch's compiler writes to memory every value that contains an exp and
is used twice.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

# exp(x) is computed as a polynomial of x / 2^6, squared 6 times. Its relative error is x^5 / 120 / 2^24, 5e-5 at x = 10 or -10; the rounding
# errors of 6 squares add 1e-5.
SQUARES = 6
# The exp of smaller values is practically 0; they are clamped because denormal numbers are slow.
SMALLEST = -60.0 / 2**SQUARES


def exponential(above: Tensor) -> Tensor:
    """exp(2^6 x) of `above` = x - SMALLEST; values of x below SMALLEST are clamped to it, in one instruction."""
    above = F.relu(above)
    # Taylor's polynomial of x, rearranged in powers of x - SMALLEST.
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
