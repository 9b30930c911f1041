"""Kills the tracking server again and again while runs record; in the end it must have every number once.

python tests/chaos/server.py --kills 20
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from runs import environment, finish, journal_numbers, outcome_of, print_findings, run_of, stored_numbers, written_recipe

from workbench.runs.folder import RunFolder


class Server:
    """A real MLflow server with its own database, which can be killed and restarted."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, _free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        store = [
            "--backend-store-uri",
            f"sqlite:///{self.folder / 'mlflow.db'}",
            "--artifacts-destination",
            str(self.folder / "artifacts"),
        ]
        env = environment(self.folder, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", MLFLOW_DISABLE_TELEMETRY="true")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, *store], env=env, stdout=log, stderr=log, start_new_session=True)
        until = time.monotonic() + 120.0
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"the server does not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)

    def kill(self) -> None:
        """Kill it with its worker processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2.0) as response:
                return bool(response.status == 200)
        except OSError:
            return False


class Outages(threading.Thread):
    """Kills a server, waits for a while, and restarts it."""

    def __init__(self, server: Server, kills: int, longest: float, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self.server, self.kills, self.longest, self.rng = server, kills, longest, rng
        self.down: list[tuple[float, float, float]] = []  # times: killed, restarted, answering

    def run(self) -> None:
        for kill in range(self.kills):
            time.sleep(self.rng.uniform(0.5, 4.0))
            self.server.kill()
            killed = time.time()
            # One outage of the full length, the others short: the moment of the kill matters more.
            time.sleep(self.longest if kill == self.kills // 2 else self.rng.uniform(0.2, min(8.0, self.longest)))
            again = time.time()
            self.server.start()
            self.down.append((killed, again, time.time()))


def main() -> int:
    """Run during outages; 0 if nothing was lost or duplicated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--longest", type=float, default=60.0, help="seconds of the longest outage")
    parser.add_argument("--steps", type=int, default=1500, help="optimizer steps of a run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, log = Path(folder) / "home", Path(folder) / "log"
        server = Server(Path(folder) / "server")
        server.start()
        try:
            recipe = written_recipe(Path(folder), "alone", options.steps)
            finish(["run", str(recipe)], home, log, MLFLOW_TRACKING_URI=server.uri)
            alone = run_of(home, "alone")
            outages = Outages(server, options.kills, options.longest, random.Random(options.seed))
            outages.start()
            runs: list[RunFolder] = []
            while outages.is_alive() or not runs:
                path = written_recipe(Path(folder), f"outage-{len(runs)}", options.steps)
                finish(["run", str(path)], home, log, MLFLOW_TRACKING_URI=server.uri)
                runs.append(run_of(home, path.stem))
            outages.join()
            unsent = sum(_unsent(run) for run in runs)
            finish(["sync"], home, log, MLFLOW_TRACKING_URI=server.uri)
            return _judge(server, [alone, *runs], outages, unsent)
        finally:
            server.kill()


def _judge(server: Server, runs: list[RunFolder], outages: Outages, unsent: int) -> int:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=server.uri)
    expected = outcome_of(runs[0])
    lost = doubled = compared = 0
    wrong: list[str] = []
    for run in runs:
        there, here = stored_numbers(client, run), journal_numbers(run)
        lost += sum((here - there).values())
        doubled += sum((there - here).values())
        compared += sum(here.values())
        wrong += [f"{run.id}: {problem}" for problem in outcome_of(run).differences(expected)[:5]]
        stored = client.search_runs([client.get_experiment_by_name("workbench").experiment_id], f"tags.`wb.run` = '{run.id}'")
        if [entry.info.status for entry in stored] != ["FINISHED"]:
            wrong.append(f"{run.id}: in the store as {[entry.info.status for entry in stored]}")
        pictures = [item.path for item in client.list_artifacts(stored[0].info.run_id, "images") if item.path.endswith(".png")]
        if len(pictures) != len(list(run.pictures.glob("*.png"))):
            wrong.append(f"{run.id}: {len(pictures)} images in the store")
    if lost or doubled:
        wrong.append(f"{lost} numbers lost, {doubled} doubled")
    seconds = [answering - killed for killed, _, answering in outages.down]
    return print_findings(
        {
            "server kills": len(outages.down),
            "seconds down": round(sum(seconds)),
            "longest outage": round(max(seconds)),
            "runs": len(runs),
            "numbers": compared,
            "lost": lost,
            "doubled": doubled,
            "records that waited for wb sync": unsent,
            "speed during outages": _speed(runs[1:], outages),
        },
        wrong,
    )


def _unsent(run: RunFolder) -> int:
    with closing(run.journal()) as journal:
        return journal.unsent()


def _speed(runs: list[RunFolder], outages: Outages) -> float:
    """The median time between log lines while the server is reachable, divided by that while it is not."""
    up, down = [], []
    for run in runs:
        with closing(run.journal()) as journal:
            times = journal._rows("select at / 1000.0 from numbers where key = 'train/loss' order by id")
        for (before,), (after,) in itertools.pairwise(times):
            # A starting server takes a core from the run: such intervals count for neither.
            is_down = any(killed <= before and after <= again for killed, again, _ in outages.down)
            is_up = not any(before < answering and killed < after for killed, _, answering in outages.down)
            if is_down or is_up:
                (down if is_down else up).append(after - before)
    return round(_median(up) / _median(down), 3) if up and down else float("nan")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
