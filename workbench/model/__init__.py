"""Build the network and its collaborators from a recipe."""
