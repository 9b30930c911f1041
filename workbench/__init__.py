"""The Diffusion Workbench: train, sample and compare diffusion models.

The plugin API is `workbench.interfaces`, `workbench.diffusion` and `workbench.testing`; everything else may change. Sub-packages are imported
when they are first used: `import workbench as wb; wb.recipe.load(...)`.
"""

import lazy_loader

__all__ = ["__version__"]

__version__ = "0.1.0"

__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)
