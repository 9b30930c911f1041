"""Several machines and one PostgreSQL: a real server, on a local socket."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from workbench.recipe import load
from workbench.sweep.ledger import Ledger, TrialOutcome
from workbench.sweep.objectives import search_targets
from workbench.sweep.opening import check_storage
from workbench.sweep.space import axes_of
from workbench.sweep.study import Search
from workbench.sweep.trial_queue import TrialQueue

ROOT = Path(__file__).parents[2]


def _binaries():
    path = shutil.which("initdb")
    folders = [Path(path).parent] if path else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


@pytest.fixture(scope="module")
def server():
    """URL of a PostgreSQL that listens on a socket only."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here (Debian: apt-get install postgresql)")
    if os.geteuid() == 0 and not shutil.which("runuser"):
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    # Not below pytest's own folder: any other pytest that starts on this machine closes that folder to all users but its owner.
    folder = Path(tempfile.mkdtemp(prefix="wb-pg-"))
    as_user = []
    if os.geteuid() == 0:
        if subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode != 0:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]

    def run(*words):
        subprocess.run([*as_user, *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    run(binaries / "initdb", "-D", folder / "data", "--auth=trust", "-U", "wb", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
    run(binaries / "pg_ctl", "-D", folder / "data", "-o", options, "-w", "-l", folder / "log", "start")
    try:
        yield check_storage(f"postgresql://wb@/postgres?host={folder}")
    finally:
        run(binaries / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def make_queue(server, write, request):
    recipe = load(write())
    name = request.node.name
    to_close = []

    def opened(total=4, seconds=60.0):
        ledger = Ledger(server, name, seconds)
        with ledger.exclusive():
            search = Search(server, name, recipe, axes_of(recipe), search_targets(recipe), 2)
        queue = TrialQueue(ledger, search, total)
        queue.repair()
        to_close.extend([ledger, search])
        return queue, search

    yield opened
    for resource in to_close:
        resource.close()


def test_two_machines_share_the_trials_and_each_runs_once(make_queue):
    one, search = make_queue(total=6)
    other, _ = make_queue(total=6)
    leases = [(one if k % 2 == 0 else other).next_trial("one" if k % 2 == 0 else "other") for k in range(7)]
    assert [lease.number for lease in leases[:6]] == list(range(6))
    assert leases[6] is None
    for k, lease in enumerate(leases[:6]):
        (other if k % 2 == 0 else one).finish(lease, TrialOutcome("complete", (float(k),)))
    assert [trial.value for trial in search.study.trials] == [float(k) for k in range(6)]


def test_an_unreachable_machine_loses_its_trial_for_good(make_queue):
    one, _ = make_queue(seconds=0.2)
    other, search = make_queue(seconds=60.0)
    lost = one.next_trial("one")
    time.sleep(0.4)
    claimed = other.next_trial("other")
    assert (claimed.number, claimed.crashes) == (lost.number, 1)
    assert not one.finish(lost, TrialOutcome("complete", (9.0,)))
    assert one.renew([lost]) == [lost]
    assert other.finish(claimed, TrialOutcome("complete", (1.0,)))
    assert search.study.trials[0].value == 1.0


def test_a_lease_that_is_renewed_stays(make_queue):
    one, _ = make_queue(seconds=2.0)
    other, _ = make_queue(total=1)
    lease = one.next_trial("one")
    for _ in range(10):  # longer than the lease; each may take long on a busy machine
        time.sleep(0.25)
        assert one.renew([lease]) == []
        assert other.next_trial("other") is None


@pytest.mark.chaos
def test_two_machines_without_a_common_coordinator_finish_a_sweep_despite_crashes(server):
    command = [sys.executable, str(ROOT / "tests" / "chaos" / "sweep.py"), "--trials", "8", "--workers", "1", "--steps", "60",
               "--kills", "2", "--coordinator-kills", "1", "--every", "3", "--storage", server]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("launcher", "package", "settings"), [("slurm", "submitit", ["cluster=local", "cpus=1"]), ("ray", "ray", ["cpus=1"])]
)
def test_workers_that_a_launcher_starts_finish_a_sweep_and_end_by_themselves(
    server, wb, write, tmp_path, launcher, package, settings
):
    pytest.importorskip(package)
    command = ["sweep", write(), "--name", f"by-{launcher}", "--trials", 3, "--workers", 2, "--launcher", launcher]
    command += [word for setting in settings for word in ("--launcher-set", setting)]
    env = {"WB_SWEEP_STORAGE": server}
    done = wb(*command, env=env, fork=launcher != "ray")  # Ray starts threads and processes of its own
    assert {f"trial {number}: complete" for number in range(3)} <= {line.rpartition(" ")[0] for line in done.stdout.splitlines()}
    assert "best: trial" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    document = json.loads(wb("sweep", "show", f"by-{launcher}", "--json", env=env).stdout)
    assert [trial["state"] for trial in document["trials"]] == ["complete"] * 3
    logs = tmp_path / "home" / "sweeps" / f"by-{launcher}" / "logs"
    endings = [path.read_text().splitlines()[-1] for path in logs.glob("*.log") if path.read_text()]
    assert endings.count("done: 3 of 3 trials are done") == 2
    assert "started" not in wb(*command, env=env).stdout  # there is nothing left to do
