"""The kinds of components; each has an entry-point group `workbench.KIND`."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["schedules", "denoisers", "samplers", "datasets", "features", "launchers"]
GROUPS: tuple[Kind, ...] = get_args(Kind)


def singular(kind: Kind) -> str:
    """The name of one component of a kind."""
    return {"features": "feature extractor"}.get(kind, kind.removesuffix("s"))
