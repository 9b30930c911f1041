"""Networks that nobody could build."""

from __future__ import annotations

from workbench.interfaces import CombinationError

MOST_PARAMETERS = 20_000_000_000  # 80 GB of weights, 400 GB with gradients, AdamW's moments and the average


def check_size(field: str, parameters: int) -> None:
    """CombinationError, at `field`, where a network of at least so many parameters is beyond every machine."""
    if parameters > MOST_PARAMETERS:
        raise CombinationError(
            field,
            f"the network would have more than {parameters / 1e9:,.0f} billion parameters, and {MOST_PARAMETERS / 1e9:.0f} billion are "
            "the most: make it narrower or shallower",
        )
