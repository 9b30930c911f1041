"""Kernels for CPUs: fused group norm and attention, chosen by measured speed."""
