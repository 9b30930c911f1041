"""Devices, precision, memory, recorded graphs and compiled kernels."""
