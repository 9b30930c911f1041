"""Benchmarks of the workbench and its peers: same data, same network, same threads, measured in turns."""
