"""python -m benchmarks.profile: the time of a training step of the 6.47 million network by kind of operation."""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from contextlib import ExitStack

from torch.profiler import ProfilerActivity, profile

from benchmarks import networks, ours

KINDS = {
    "compiled norms, SiLU and attention": r"AOTIModelContainer",
    "convolutions": r"convolution|mkldnn_conv|conv2d",
    "matrix products": r"::(add)?(b)?mm|linear|matmul",
    "attention": r"attention|softmax",
    "group norm and SiLU": r"norm|silu|var_mean|batch_norm",
    "optimizer and average": r"adam|foreach|lerp",
    "copies and layouts": r"copy_|::to$|contiguous|clone|fill_|zero_|cat|empty",
    "additions, products, sums": r"::(add|mul|sub|div|sum|mean|addcmul|native_dropout|upsample|threshold)",
}


def main() -> None:
    """Print the share of each kind, and how fast the convolutions are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--plain", action="store_true", help="float32 with torch's own operations")
    options = parser.parse_args()
    with ExitStack() as stack:
        step = ours.training(stack, networks.unet(64, 32), 32, options.batch, ours.PLAIN if options.plain else ours.BEST)
        for _ in range(3):
            step()
        started = time.perf_counter()
        for _ in range(options.steps):
            step()
        seconds = (time.perf_counter() - started) / options.steps
        with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
            for _ in range(options.steps):
                step()
    spent: Counter[str] = Counter()
    for event in profiler.key_averages():
        kind = next((kind for kind, pattern in KINDS.items() if re.search(pattern, event.key)), "everything else")
        spent[kind] += event.self_cpu_time_total
    whole = sum(spent.values())
    print(f"{1000.0 * seconds:.0f} ms a step of {options.batch} images ({options.batch / seconds:.1f} images/s)")
    for kind, microseconds in spent.most_common():
        print(f"{microseconds / whole:6.1%}  {kind}")


if __name__ == "__main__":
    main()
