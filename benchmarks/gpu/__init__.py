"""Training, sampling and distances on a GPU: `make gpu`."""
