"""Train a network: batches, steps, checkpoints."""
