"""A bridge to diffusers; found through entry points."""
