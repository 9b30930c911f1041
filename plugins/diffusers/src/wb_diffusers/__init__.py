"""A bridge to diffusers, registered as entry points."""
