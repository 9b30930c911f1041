"""First-party samplers."""

from wb_samplers.ddim import DDIM
from wb_samplers.ddpm import DDPM

__all__ = ["DDIM", "DDPM"]
