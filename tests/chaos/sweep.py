"""Kills workers and coordinators of a sweep at random times, and counts the results: python tests/chaos/sweep.py --help."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from runs import TINY, WB, finished_times

from workbench.runs.folder import RunFolder

SETTINGS = """
name = "chaos"
denoiser = { use = "small_cnn", channels = 16, depth = 2 }
sampler = { use = "ddim", steps = 4 }
[train]
steps = STEPS
batch_size = 16
checkpoint_every = 20
log_every = 10
[evaluate]
samples = 16
[sweep]
metric = "val/loss"
pruner = "none"
max_failures = 100
confirm = 0
[sweep.space]
"train.learning_rate" = { low = 1e-4, high = 1e-2, log = true }
"""


def main() -> int:
    """Run the sweep to its end despite kills; 0 if nothing was lost or done twice."""
    options = _options()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(options.home or folder)
        home.mkdir(parents=True, exist_ok=True)
        recipe = home / "chaos.toml"
        recipe.write_text(f"extends = '{TINY}'\n" + SETTINGS.replace("STEPS", str(options.steps)))
        killed = _run_with_kills(options, recipe, home, rng)
        findings = {**killed, **_count(home, options)}
    print(json.dumps(findings, indent=2))
    expected = {"trials": options.trials, "distinct": options.trials, "ended": options.trials, "running": 0, "finished twice": 0}
    wrong = {key: (findings[key], value) for key, value in expected.items() if findings[key] != value}
    if options.track and findings["mlflow children"] != options.trials:
        wrong["mlflow children"] = (findings["mlflow children"], options.trials)
    if options.track and findings["mlflow running"]:
        wrong["mlflow running"] = (findings["mlflow running"], 0)
    if killed["workers killed"] < options.kills or killed["coordinators killed"] < options.coordinator_kills:
        wrong["kills"] = (killed, (options.kills, options.coordinator_kills))
    print("ok" if not wrong else f"wrong (found, expected): {wrong}")
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300, help="optimizer steps of a trial")
    parser.add_argument("--kills", type=int, default=20, help="workers to kill")
    parser.add_argument("--coordinator-kills", type=int, default=3)
    parser.add_argument("--every", type=float, default=4.0, help="mean seconds between kills, fewer if trials are quick")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--storage", help="PostgreSQL; then two coordinators act as two machines")
    parser.add_argument("--home", help="a folder to keep [default: temporary]")
    parser.add_argument("--track", action="store_true", help="record in MLflow, and count there too")
    return parser.parse_args()


class _Machine:
    """A coordinator that is restarted whenever it has been killed."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.command, self.home = command, home
        self.log = (home / "chaos.log").open("ab")
        self.start()

    def start(self) -> None:
        environ = {**os.environ, "WB_HOME": str(self.home), "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(self.command, env=environ, stdout=self.log, stderr=self.log, start_new_session=True)

    def workers(self) -> list[int]:
        """Its worker processes; those that are still being imported count too."""
        return [pid for pid in _children(self.process.pid) if "workbench.cli.sweep.piped" in _command(pid)]


def _run_with_kills(options: argparse.Namespace, recipe: Path, home: Path, rng: random.Random) -> dict[str, int]:
    common = ["--workers", str(options.workers)]
    first = [*WB, "sweep", str(recipe), "--trials", str(options.trials), *common, *([] if options.track else ["--no-track"])]
    machines = []
    if options.storage:
        lease = ["--storage", options.storage, "--lease-seconds", "5"]
        machines.append(_Machine([*first, *lease], home))
        _wait_for_first_trial(home, machines[0])
        other = home / "other"
        other.mkdir()
        machines.append(_Machine([*WB, "sweep-worker", "chaos", *common, *lease], other))
    else:
        machines.append(_Machine(first, home))
    killed = Counter({"workers killed": 0, "coordinators killed": 0})
    due = options.kills // max(1, options.coordinator_kills)
    until = time.monotonic() + 3600.0
    while time.monotonic() < until:
        _wait_for_turn(killed.total(), options, home, rng)
        machine = rng.choice([machine for machine in machines if machine.process.poll() is None] or machines)
        want_coordinator = killed["coordinators killed"] < options.coordinator_kills and (
            killed["workers killed"] >= due * (killed["coordinators killed"] + 1)
        )
        if want_coordinator and machine.process.poll() is None:
            machine.process.kill()
            machine.process.wait()
            killed["coordinators killed"] += 1
        elif killed["workers killed"] < options.kills and (pids := machine.workers()):
            os.kill(rng.choice(pids), signal.SIGKILL)
            killed["workers killed"] += 1
        ended = [machine.process.poll() for machine in machines]
        for machine, code in zip(machines, ended, strict=True):
            if code is not None and code != 0:
                machine.start()
        if all(code == 0 for code in ended):
            return {**killed}
    for machine in machines:
        machine.process.kill()
    raise SystemExit(f"not done after an hour; see {home / 'chaos.log'}")


def _wait_for_turn(killed: int, options: argparse.Namespace, home: Path, rng: random.Random) -> None:
    """Wait at random, but not while kills fall behind trials: a fast machine would end the sweep before the last of them."""
    kills = options.kills + options.coordinator_kills
    until = time.monotonic() + rng.uniform(0.3, 1.7) * options.every
    while time.monotonic() < until:
        time.sleep(0.2)
        if killed < kills and len(_runs(home)) * (kills + 1) >= options.trials * (killed + 1):
            return


def _wait_for_first_trial(home: Path, machine: _Machine) -> None:
    while not _runs(home):
        if machine.process.poll() is not None:
            raise SystemExit(f"the sweep did not start; see {machine.home / 'chaos.log'}")
        time.sleep(0.2)


def _runs(home: Path) -> list[Path]:
    return [path for place in (home, home / "other") for path in place.glob("runs/*/run.json")]


def _count(home: Path, options: argparse.Namespace) -> dict[str, int]:
    environ = {**os.environ, "WB_HOME": str(home), **({"WB_SWEEP_STORAGE": options.storage} if options.storage else {})}
    done = subprocess.run([*WB, "sweep", "show", "chaos", "--json"], env=environ, capture_output=True, text=True, check=True)
    trials = json.loads(done.stdout)["trials"]
    states = Counter(trial["state"] for trial in trials)
    finished = [finished_times(RunFolder(path.parent)) for path in _runs(home)]
    counts = {
        "trials": len(trials),
        "distinct": len({trial["number"] for trial in trials}),
        "ended": sum(states[state] for state in ("complete", "pruned", "failed")),
        "complete": states["complete"],
        "failed": states["failed"],
        "running": states["running"] + states["waiting"],
        "finished twice": sum(count > 1 for count in finished),
    }
    if options.track:
        counts |= _count_in_mlflow(home)
    return counts


def _count_in_mlflow(home: Path) -> dict[str, int]:
    with sqlite3.connect(f"file:{home / 'mlflow' / 'mlflow.db'}?mode=ro", uri=True) as database:
        (children,) = database.execute("select count(*) from tags where key = 'mlflow.parentRunId'").fetchone()
        (running,) = database.execute("select count(*) from runs where status = 'RUNNING'").fetchone()
    return {"mlflow children": children, "mlflow running": running}


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
