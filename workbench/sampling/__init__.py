"""Draw samples of a trained network."""
