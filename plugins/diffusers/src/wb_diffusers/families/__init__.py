"""How groups of schedulers make one move: grouped by their coordinates and by how they store the grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wb_diffusers.catalogue import FamilyName
from wb_diffusers.families import angle, flow, grid, table, two_stage
from wb_diffusers.move import Memory, Move

if TYPE_CHECKING:
    from torch import Tensor

FAMILIES: dict[FamilyName, Callable[[Move, Memory | None], tuple[Tensor, Memory | None]]] = {
    "angle": angle.move,
    "exploding": grid.move_exploding,
    "flow": flow.move,
    "multistep": grid.move_preserving,
    "table": table.move,
    "two_stage": two_stage.move,
}
