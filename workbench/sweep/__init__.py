"""Searches over recipes: Optuna proposes, worker processes train, a ledger keeps count. Nothing else in the workbench imports Optuna."""

__all__: list[str] = []
