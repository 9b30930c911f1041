"""Measure one trained network with many combinations of sampler and settings: `wb eval`."""
