"""Run folders and the life cycle of a run."""
