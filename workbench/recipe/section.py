"""The base of every table of the core."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the recipe that belongs to the core."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
