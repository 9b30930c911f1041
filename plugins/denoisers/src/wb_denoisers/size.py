"""A limit on the size of networks."""

from __future__ import annotations

from workbench.interfaces import CombinationError

MOST_PARAMETERS = 20_000_000_000  # 80 GB of weights, 400 GB with gradients, AdamW's moments and the average


def check_size(field: str, parameters: int) -> None:
    """Raise CombinationError, at `field`, if a network of at least `parameters` parameters is too large for any machine."""
    if parameters > MOST_PARAMETERS:
        raise CombinationError(
            field,
            f"the network would have more than {parameters / 1e9:,.0f} billion parameters, and {MOST_PARAMETERS / 1e9:.0f} billion is "
            "the limit: make it narrower or shallower",
        )
