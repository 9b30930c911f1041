"""Networks for the Diffusion Workbench; found through entry points."""
