"""Keeping passwords out of what people see, as the whole workbench does."""

from workbench.secrets import MASK, concealed, masked

__all__ = ["MASK", "concealed", "masked"]
