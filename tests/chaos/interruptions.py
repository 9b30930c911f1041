"""Ends runs by signals, or closes the pipe of their output, at random times; all must end bit-identical to an undisturbed run.

python tests/chaos/interruptions.py --times 20
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from runs import WB, environment, finish, finished_times, outcome_of, print_findings, run_of, wait_until_running, written_recipe

SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
READER = "reader leaves"  # the label in docs/reliability.md


def main() -> int:
    """Interrupt runs one after another; 0 if all ended like the first one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="number of interruptions")
    parser.add_argument("--steps", type=int, default=300, help="optimizer steps of a run")
    parser.add_argument("--within", type=float, default=3.0, help="seconds after its start within which a run is interrupted")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, done, equal, wrong = random.Random(options.seed), Counter[str](), 0, list[str]()
    with tempfile.TemporaryDirectory() as folder:
        home, log = Path(folder) / "home", Path(folder) / "log"
        finish(["run", str(written_recipe(Path(folder), "alone", options.steps)), "--no-track"], home, log)
        expected = outcome_of(run_of(home, "alone"))
        while done.total() < options.times:
            name = f"interrupted-{done.total()}"
            recipe = written_recipe(Path(folder), name, options.steps)
            kind = rng.choice([READER, *SIGNALS])
            label = kind if isinstance(kind, str) else kind.name
            code = run_interrupted(["run", str(recipe), "--no-track"], home, name, kind, rng.uniform(0.0, options.within))
            run = run_of(home, name)
            if code not in ((0,) if kind == READER else (0, 128 + kind)):
                wrong.append(f"{label}: exit code {code}")
            if run.status() != "FINISHED":
                # A signal before the first step leaves nothing to resume.
                if run.info()["step"] and not (run.checkpoints / f"step_{run.info()['step']:08d}").is_dir():
                    wrong.append(f"{label}: no checkpoint of step {run.info()['step']}")
                finish(["run", "--resume", run.id, "--no-track"], home, log)
            differences = outcome_of(run).differences(expected)
            if finished_times(run) != 1:
                differences.append(f"finished {finished_times(run)} times")
            wrong += [f"{label}: {problem}" for problem in differences]
            equal += not differences
            done[label] += 1
    return print_findings({**done, "ended bit-identical": options.times - len({line.partition(":")[0] for line in wrong})}, wrong)


def run_interrupted(words: list[str], home: Path, name: str, kind: str | signal.Signals, seconds: float) -> int:
    """Run a command, interrupt it some seconds after its run has started; its exit code."""
    process = subprocess.Popen([*WB, *words], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    wait_until_running(home, name, process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    if isinstance(kind, signal.Signals):
        process.send_signal(kind)
        process.communicate()
    else:
        process.stdout.close()
        process.wait()
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
