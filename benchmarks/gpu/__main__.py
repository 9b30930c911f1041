"""python -m benchmarks.gpu: tests, rates and CIFAR-10 distances on a GPU within nine minutes, into benchmarks/gpu/results.json.

Each part runs in a process of its own with a time limit; a part that exceeds its limit is ended, and its results until then are kept.
`--tiny` tries all parts on a CPU. `--report` writes the tables of docs/performance.md from the results.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine
from benchmarks.gpu import learning, rates, report
from benchmarks.gpu.scale import FULL, TINY, Scale

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results.json"
# Seconds of each part; learning takes what is left.
LIMITS = {"tests": 100.0, "training": 150.0, "sampling": 60.0, "compiled": 80.0}
ENDED = "exceeded its time limit"


def main() -> None:
    """Run the parts in turn and write the results after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="for all parts together [default: 9]")
    parser.add_argument("--tiny", action="store_true", help="try every part on a CPU with tiny work")
    parser.add_argument("--pack", type=Path, default=ROOT / "gpu-pack", help="the folder that `make gpu-pack` made")
    parser.add_argument(
        "--out", type=Path, help="where the results go [default: benchmarks/gpu/results.json; tiny: build/gpu.json]"
    )
    parser.add_argument("--report", action="store_true", help="only write docs/performance.md from the results")
    parser.add_argument("--case", choices=sorted(rates.CASES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    scale = TINY if options.tiny else FULL
    out = options.out or (ROOT / "build" / "gpu.json" if options.tiny else RESULTS)
    if options.report:
        report.write(out, ROOT / "docs" / "performance.md")
    elif options.case:
        _print_rates(options.case, scale)
    elif scale.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch sees no GPU here; --tiny tries every part on a CPU")
    else:
        _measure(scale, options.pack, out, time.monotonic() + 60.0 * options.minutes)


def _print_rates(case: str, scale: Scale) -> None:
    """Print one rate per line, as JSON: the parent process keeps the lines that it has read if this one is ended."""
    for rate in rates.measure(case, scale):
        print(json.dumps(asdict(rate)), flush=True)


def _measure(scale: Scale, pack: Path, out: Path, deadline: float) -> None:
    name = torch.cuda.get_device_name() if scale.device == "cuda" else "CPU"
    results: dict[str, Any] = {
        "device": name,
        "bf16_matrix_tflops": rates.matrix_rate(scale) / 1e12,
        "machine": machine.describe(torch.get_num_threads()),
        "when": time.strftime("%Y-%m-%d"),
        "rates": [],
    }
    out.parent.mkdir(parents=True, exist_ok=True)

    def store(**part: Any) -> None:
        results.update(part)
        out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")

    store(tests=_run_tests(_limit("tests", deadline)))
    for case in ("training", "sampling", "compiled"):
        store(rates=[*results["rates"], *_rates_of(case, scale, _limit(case, deadline))])
    store(learning=_learn(scale, pack, out.parent, deadline))
    print(f"{out} written; the tables: python -m benchmarks.gpu --report")


def _limit(part: str, deadline: float) -> float:
    return max(1.0, min(LIMITS[part], deadline - time.monotonic()))


def _run_tests(seconds: float) -> str:
    """The closing line of the tests marked gpu."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", "tests"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return ENDED
    print(done.stdout[-4000:], flush=True)
    return (done.stdout.strip().splitlines() or ["no output"])[-1].strip("= ")


def _rates_of(case: str, scale: Scale, seconds: float) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.gpu", "--case", case, *(["--tiny"] if scale is TINY else [])]
    try:
        printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=seconds, check=False).stdout
        ended: list[dict[str, Any]] = []
    except subprocess.TimeoutExpired as error:
        printed = (error.stdout or b"").decode()
        ended = [asdict(rates.Rate(case, 0, "the next contender", error=ENDED))]
    measured = [json.loads(line) for line in printed.splitlines() if line.startswith("{") and line.endswith("}")]
    for rate in measured + ended:
        numbers = rate["error"] or f"{rate['images_per_second']:,.1f} images/s, first call {rate['first_seconds']:.1f} s"
        print(f"{rate['case']:9} {rate['batch']:4}  {numbers}  {rate['name']}", flush=True)
    return measured + ended


def _learn(scale: Scale, pack: Path, folder: Path, deadline: float) -> list[dict[str, Any]]:
    if not (pack / "cifar10.npz").exists():
        print(f"no images in {pack}: make gpu-pack", flush=True)
        return []
    home = folder / "gpu-home"
    images = learning.unpack(pack / "cifar10.npz", folder / "cifar10", scale.learning_images)
    learning.train(images, home, deadline - time.monotonic(), scale.learning)
    return learning.points(home)


if __name__ == "__main__":
    main()
