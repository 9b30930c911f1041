"""Oracles, lists of installed components and the conformance kit: tests of components against exact results, for plugins too."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
