"""End runs by signals, and let the readers of their output leave, at random instants; all must end bit for bit where an undisturbed run does.

python tests/chaos/leaving.py --times 20
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
from runs import WB, begun, environment, finish, finished_times, outcome_of, run_of, told, written_recipe

SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
READER = "reader leaves"


def main() -> int:
    """Disturb runs one after another until each kind has come often enough; 0 if all ended as the first one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="disturbances in total")
    parser.add_argument("--steps", type=int, default=300, help="optimizer steps of a run")
    parser.add_argument("--within", type=float, default=3.0, help="seconds after its start within which a run is disturbed")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, done, equal, wrong = random.Random(options.seed), Counter[str](), 0, list[str]()
    with tempfile.TemporaryDirectory() as folder:
        home, log = Path(folder) / "home", Path(folder) / "log"
        finish(["run", str(written_recipe(Path(folder), "alone", options.steps)), "--no-track"], home, log)
        expected = outcome_of(run_of(home, "alone"))
        while done.total() < options.times:
            name = f"disturbed-{done.total()}"
            recipe = written_recipe(Path(folder), name, options.steps)
            kind = rng.choice([READER, *SIGNALS])
            label = kind if isinstance(kind, str) else kind.name
            code = disturbed(["run", str(recipe), "--no-track"], home, name, kind, rng.uniform(0.0, options.within))
            run = run_of(home, name)
            if code not in ((0,) if kind == READER else (0, 128 + kind)):
                wrong.append(f"{label}: exit code {code}")
            if run.status() != "FINISHED":
                # A signal that comes before the first step leaves nothing to keep.
                if run.info()["step"] and not (run.checkpoints / f"step_{run.info()['step']:08d}").is_dir():
                    wrong.append(f"{label}: no checkpoint of step {run.info()['step']}")
                finish(["run", "--resume", run.id, "--no-track"], home, log)
            differences = outcome_of(run).differences(expected)
            if finished_times(run) != 1:
                differences.append(f"finished {finished_times(run)} times")
            wrong += [f"{label}: {each}" for each in differences]
            equal += not differences
            done[label] += 1
    return told({**done, "ended bit-identical": options.times - len({each.partition(":")[0] for each in wrong})}, wrong)


def disturbed(words: list[str], home: Path, name: str, kind: str | signal.Signals, seconds: float) -> int:
    """Run a command, disturb it some seconds after its run has begun; its exit code."""
    process = subprocess.Popen([*WB, *words], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    begun(home, name, process)
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
