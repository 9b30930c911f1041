"""Kills runs at random times and resumes them; they must end bit-identical to an undisturbed run.

python tests/chaos/resume.py --kills 50
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from runs import finish, finished_times, kill, outcome_of, print_findings, run_of, start_wb, wait_until_running, written_recipe


def main() -> int:
    """Run until enough processes have been killed; 0 if all runs ended like the first one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=300, help="optimizer steps of a run")
    parser.add_argument("--within", type=float, default=3.0, help="seconds after its start within which a process is killed")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        home, log = Path(folder) / "home", Path(folder) / "log"
        recipe = written_recipe(Path(folder), "alone", options.steps)
        finish(["run", str(recipe), "--no-track"], home, log)
        expected = outcome_of(run_of(home, "alone"))
        kills, runs, equal, wrong = 0, 0, 0, []
        while kills < options.kills:
            runs += 1
            name = f"killed-{runs}"
            path = written_recipe(Path(folder), name, options.steps)
            words = ["run", str(path), "--no-track"]
            hits = 0
            # A kill may also hit a process that has written everything and only has to exit.
            while run_of(home, name) is None or run_of(home, name).status() != "FINISHED":
                process = start_wb(words, home, log)
                alive = wait_until_running(home, name, process)
                if run_of(home, name) is not None:
                    words = ["run", "--resume", run_of(home, name).id, "--no-track"]
                if kills + hits >= options.kills or not alive:
                    if process.wait() == 0:
                        break
                    raise SystemExit(log.read_text()[-3000:])
                try:
                    process.wait(rng.uniform(0.0, options.within))
                except Exception:  # it is still running
                    hits += kill(process)
                else:
                    break
            kills += hits
            run = run_of(home, name)
            differences = outcome_of(run).differences(expected)
            if run.status() != "FINISHED" or finished_times(run) != 1:
                differences.append(f"status {run.status()}, finished {finished_times(run)} times")
            if list(run.path.rglob(".writing_*")):
                differences.append("a temporary file is left")
            if differences or outcome_of(run).doubled:
                wrong += [f"{name}: {problem}" for problem in differences[:5]]
            else:
                equal += hits
        return print_findings(
            {
                "kills": kills,
                "runs": runs,
                "resumed bit-identical": equal,
                "numbers compared": len(expected.numbers),
                "pictures compared": len(expected.pictures),
            },
            wrong,
        )


if __name__ == "__main__":
    sys.exit(main())
