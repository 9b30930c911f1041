"""First-party samplers."""

from wb_samplers.ancestral_euler import AncestralEuler
from wb_samplers.ddim import DDIM
from wb_samplers.ddpm import DDPM
from wb_samplers.dpmpp_2m import DPMpp2M, DPMpp2MSDE
from wb_samplers.dpmpp_3m import DPMpp3M
from wb_samplers.heun import Heun
from wb_samplers.unipc import UniPC

__all__ = ["DDIM", "DDPM", "AncestralEuler", "DPMpp2M", "DPMpp2MSDE", "DPMpp3M", "Heun", "UniPC"]
