"""First-party noise schedules."""

from wb_schedules.cosine import Cosine
from wb_schedules.flow import Flow
from wb_schedules.linear import Linear

__all__ = ["Cosine", "Flow", "Linear"]
