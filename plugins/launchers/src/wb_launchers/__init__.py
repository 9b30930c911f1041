"""Launchers of sweep workers on schedulers."""
