"""Datasets for the Diffusion Workbench, registered as entry points."""
