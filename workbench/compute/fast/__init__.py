"""Faster group norm and attention for CPUs, chosen by measured speed."""
