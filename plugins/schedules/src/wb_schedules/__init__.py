"""First-party noise schedules."""

from wb_schedules.cosine import Cosine
from wb_schedules.edm import EDM
from wb_schedules.flow import Flow
from wb_schedules.linear import Linear, ScaledLinear
from wb_schedules.sigmoid import Sigmoid

__all__ = ["EDM", "Cosine", "Flow", "Linear", "ScaledLinear", "Sigmoid"]
