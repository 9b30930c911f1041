"""The Diffusion Workbench: train, sample and compare diffusion models.

The plugin API is `workbench.interfaces`, `workbench.diffusion` and `workbench.testing`; everything else may change.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
