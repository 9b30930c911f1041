"""Oracles, matrices and the conformance kit: what components are tested with against the truth. Shipped, for plugins to use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
