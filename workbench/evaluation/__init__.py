"""Measure a network: samples, distances, images."""
