"""A run in an MLflow store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StoreRun:
    """The run with this id, in the store that the MlflowClient `client` is connected to."""

    client: Any
    run_id: str
