"""Feature extractors for the Diffusion Workbench; found through entry points."""
