"""A script with a peer up to its first optimizer step: python -m benchmarks.first_step diffusers."""

from __future__ import annotations

import sys

import torch

from benchmarks.data import Pixels

BATCH, SIZE = 16, 32


def main(peer: str) -> None:
    """Import, build the network and take one step on noise instead of images that a script would read."""
    examples = Pixels(torch.randint(256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8))
    if peer == "diffusers":
        from benchmarks import networks
        from benchmarks.peers import hugging_face

        hugging_face.Trainer(networks.hugging_face(), examples, BATCH, hugging_face.FP32, steps=1000).step()
    else:
        from benchmarks.peers import lucidrains

        lucidrains.Trainer(examples, BATCH).step()


if __name__ == "__main__":
    main(sys.argv[1])
