"""Searches over recipes: Optuna proposes, worker processes train, a ledger records the trials. Only this package imports Optuna."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
