"""Choose the labels of images that are drawn by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.errors import CombinationError


def choose_labels(classes: tuple[str, ...], label: str | None, number: int, *, conditional: bool) -> Tensor | None:
    """Labels [number], int64: all of one class, or all classes in turn if `label` is None; None for an unconditional network.

    Raises CombinationError for a class that the network does not know.
    """
    if not conditional:
        if label is not None:
            raise CombinationError("label", "--label: this network was trained without labels (train.condition = false)")
        return None
    if label is None:
        return torch.arange(number) % len(classes)
    if label not in classes:
        raise CombinationError("label", f"--label: the run has no class {label!r:.80}; its classes: {', '.join(classes)}")
    return torch.full((number,), classes.index(label))
