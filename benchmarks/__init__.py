"""The workbench and its peers, side by side: same data, same network, same threads, taking turns."""
