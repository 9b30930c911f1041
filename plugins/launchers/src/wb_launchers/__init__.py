"""Launchers for sweeps."""
