"""The base class of every plugin class: its fields are its schema."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Component(BaseModel):
    """A named part of a recipe; the fields of the class are the keys of its table.

    Life cycle: an entry point names the class; a recipe's `use = "..."` refers to that name; the rest of the table is validated
    into an instance, before anything is built. Laws:

    - Importing the module and constructing the class are cheap: torch and other heavy packages are imported inside methods.
    - Instances are frozen; state that changes during a run is passed in and returned.
    - Every field has a description, and a default unless no value suits most users.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
